from saebook.book.cli import main

raise SystemExit(main())

from saebook.run.cli import main

raise SystemExit(main())

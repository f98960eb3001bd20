"""The cache: entries are whole and checked, or absent."""

from __future__ import annotations

import logging
import multiprocessing
import subprocess
import sys
import time

import pytest

from saebook import cache as cache_module
from saebook.cache import (
    Cache,
    CacheBusyError,
    CacheWriteError,
    CorruptEntryError,
    atomic_folder,
    clear,
    size,
    verify_folder,
)


def _write(folder, text="content"):
    (folder / "sub").mkdir()
    (folder / "sub" / "data.txt").write_text(text)


@pytest.fixture
def cache(tmp_path):
    return Cache("things", tmp_path / "cache")


def test_an_entry_is_made_once(cache):
    folder, made = cache.get_or_make("a", _write)
    assert made
    assert (folder / "sub" / "data.txt").read_text() == "content"
    assert cache.get_or_make("a", lambda _: pytest.fail("made twice")) == (folder, False)


def test_an_absent_entry_is_none(cache):
    assert cache.get("a") is None


def _truncate(folder):
    (folder / "sub" / "data.txt").write_text("cont")


def _alter(folder):
    (folder / "sub" / "data.txt").write_text("CONTENT")


def _remove_file(folder):
    (folder / "sub" / "data.txt").unlink()


def _add_file(folder):
    (folder / "extra.txt").write_text("x")


def _break_manifest(folder):
    (folder / "manifest.json").write_text("{")


DAMAGES = [_truncate, _alter, _remove_file, _add_file, _break_manifest]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_truncated_or_altered_entry_is_remade_and_said(cache, caplog, damage):
    folder, _ = cache.get_or_make("a", _write)
    damage(folder)
    with pytest.raises(CorruptEntryError):
        verify_folder(folder)
    with caplog.at_level(logging.WARNING, "saebook"):
        folder, made = cache.get_or_make("a", _write)
    assert made
    verify_folder(folder)
    assert "made again" in caplog.text


def test_a_damaged_entry_is_removed_on_reading(cache, caplog):
    folder, _ = cache.get_or_make("a", _write)
    _truncate(folder)
    assert cache.get("a") is None
    assert not folder.exists()
    assert "data.txt holds 4 bytes, the manifest says 7" in caplog.text


def test_an_exception_while_making_leaves_nothing(cache):
    def fail(folder):
        _write(folder)
        raise RuntimeError("half-way")

    with pytest.raises(RuntimeError, match="half-way"):
        cache.get_or_make("a", fail)
    assert cache.get("a") is None
    assert list(cache.folder.iterdir()) == []


def test_what_a_killed_writer_left_is_removed_by_the_next(cache):
    partial = cache.folder / ".a.partial"
    partial.mkdir(parents=True)
    (partial / "junk").write_text("old")
    folder, _ = cache.get_or_make("a", _write)
    assert not (folder / "junk").exists()
    assert not partial.exists()


_LIMITED = """
import resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
from saebook.cache import Cache, CacheWriteError
def make_text(folder):
    (folder / "data").write_bytes(b"x" * 20_000)
def make_tensors(folder):
    import torch
    from safetensors.torch import save_file
    save_file({"w": torch.zeros(5000)}, folder / "w.safetensors")
for make in (make_text, make_tensors):
    try:
        Cache("things", Path(sys.argv[1])).get_or_make("a", make)
    except CacheWriteError as error:
        print("refused:", error)
"""


def test_a_disk_that_refuses_leaves_nothing_half_written_and_says_so(cache):
    done = subprocess.run(
        [sys.executable, "-c", _LIMITED, str(cache.root)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("refused: could not write") == 2
    assert "SAEBOOK_CACHE" in done.stdout
    assert list(cache.folder.iterdir()) == []


def test_an_unwritable_cache_folder_is_an_error_that_names_it(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(CacheWriteError, match=f"cache folder {blocked} is not writable"):
        Cache("things", blocked).get_or_make("a", _write)


def _slow_writer(root, started, log):
    def make(folder):
        started.set()
        time.sleep(0.5)
        (folder / "data").write_text("x")

    _, made = Cache("things", root).get_or_make("a", make)
    log.put(made)


def test_two_writers_at_once_make_the_entry_once(cache):
    context = multiprocessing.get_context("fork")
    started, log = context.Event(), context.Queue()
    writers = [context.Process(target=_slow_writer, args=(cache.root, started, log)) for _ in "ab"]
    for writer in writers:
        writer.start()
    assert started.wait(20)
    with pytest.raises(CacheBusyError, match="things/a"):
        cache.get_or_make("a", _write, blocking=False)
    made = sorted(log.get(timeout=20) for _ in writers)
    for writer in writers:
        writer.join()
    assert made == [False, True]


def test_atomic_folder_replaces_what_was_there(tmp_path):
    for text in ("old", "new"):
        with atomic_folder(tmp_path / "entry") as folder:
            _write(folder, text)
    assert (tmp_path / "entry" / "sub" / "data.txt").read_text() == "new"
    verify_folder(tmp_path / "entry")


@pytest.mark.parametrize("key", ["", "../a", "a/b", ".hidden", "a b"])
def test_a_key_that_is_no_plain_name_is_refused(cache, key):
    with pytest.raises(ValueError, match="cannot name a cache entry"):
        cache.get(key)


def test_size_and_clear(cache):
    assert size(cache.root) == clear(cache.root) == 0
    cache.get_or_make("a", _write)
    Cache("others", cache.root).get_or_make("b", _write)
    before = size(cache.root)
    assert before > 2 * len("content")
    assert clear(cache.root, kind="others") == before // 2
    assert cache.get("a") is not None
    clear(cache.root)
    assert size(cache.root) == 0


def test_clear_keeps_what_is_not_the_caches(cache):
    cache.get_or_make("a", _write)
    foreign = cache.root / "documents"
    foreign.mkdir()
    (foreign / "thesis.txt").write_text("mine")
    clear(cache.root)
    assert (foreign / "thesis.txt").read_text() == "mine"
    assert cache.get("a") is None


def test_the_users_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("SAEBOOK_CACHE", str(tmp_path / "chosen"))
    assert Cache("things").folder == tmp_path / "chosen" / "things"
    assert cache_module.size() == 0

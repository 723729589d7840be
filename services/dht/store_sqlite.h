#pragma once

/* store.h in one SQLite file, dht.db: WAL, synchronous FULL, one writer, numbered
 * migrations. Writes gather in one transaction that the first of a turn begins;
 * the shell commits it before answers of that turn go out. After kill -9 all that
 * was committed is there, and nothing else. Counts are rows that change with the
 * records, in the same transaction: nothing is scanned at start. Shell only. */

#include "services/dht/store_memory.h"

#define STORE_ERROR_SIZE 512

enum store_open_result {
        STORE_OPEN_OK = 0,
        STORE_OPEN_E_DISK,   /* full, or cannot be written */
        STORE_OPEN_E_BAD,    /* damaged, or of a newer version: the text says what to do */
        STORE_OPEN_E_LOCKED, /* another process has it */
};

/* Creates or migrates. `error` is one line for people, set for every other result than
 * STORE_OPEN_OK. Release with store_sqlite_close(). */
int store_sqlite_open(const char *path, const struct store_limits *limits, struct store *ret,
                      char error[STORE_ERROR_SIZE]);
void store_sqlite_close(
        struct store *s); /* what was not committed is lost; harmless on an empty one */

bool store_sqlite_is_dirty(const struct store *s); /* there is something to commit */
/* STORE_OK: durable. STORE_E_FAILED: all writes since the last commit are undone; no answer
 * that rests on them may go out. */
int store_sqlite_commit(struct store *s);
/* What went wrong last, for the log; static until the next call. */
const char *store_sqlite_error(const struct store *s);

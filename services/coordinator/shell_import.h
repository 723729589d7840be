#pragma once

/* Typed imports: a job of SQLite over a CSV or NDJSON file reads the SQLite file that was made of
 * it, once, by an executor of this node (worker.Job.IMPORT), and is kept in the dataset store
 * under a root of its own (data/derived.h). Jobs that need the same one wait for it together. The
 * descriptor goes on naming the file's root: how a host reads it is its own affair, and what is
 * wrong with an import is a dissent like any other. */

#include "services/coordinator/shell.h"

/* False: that run waits for no import. It is forgotten, and an import that nobody waits for
 * any more is stopped. */
bool shell_import_cancel(struct shell *s, uint64_t run);
void shell_imports_stop(struct shell *s);

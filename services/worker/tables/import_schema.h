#pragma once

/* Which columns an import can keep (README.md, "Import"). Pure. */

#include "services/worker/engine.h"

/* The columns of an input as its manifest has them, when SQLite has an exact counterpart for each:
 * ENGINE_OK and *ret is new, else ENGINE_E_PROBLEM names the column. */
int import_schema(const struct engine_input *in, struct schema **ret, struct engine_problem *p);
/* csv, ndjson, parquet: what SQLite reads once it was imported. */
bool import_is_possible(const struct engine_input *in);

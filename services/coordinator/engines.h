#pragma once

/* Engine classes as planning sees them: "engine/version/build" (services/worker/engine.h), of
 * which the part before the first slash names the engine. Whoever asks may name an engine
 * or a version of it, "duckdb/1.5.6", that is any class that begins so, or one class. Pure. */

#include <stdbool.h>
#include <stddef.h>

#include "common/base/bytes.h"

#define ENGINE_TEXT_SIZE 128 /* of a class, as offers carry it */

struct bytes engine_name(const char *class);       /* a view */
bool engine_is_same(const char *a, const char *b); /* the same engine, whatever the build */
bool engine_is_class(const char *name);            /* all three parts */
/* Whether `class` is one of those; of none: it is. */
bool engine_is_wanted(const char *class, char *const *wanted, size_t n);
/* Whether that engine reads inputs of this format. Of an engine that is not known here only
 * its own executor can tell: true. */
bool engine_reads(const char *class, const char *format);
/* Whether such an input is made into a file of its own first, once (shell_import.h). What it does
 * not read by itself another engine has to read: engine_importer(). */
bool engine_imports(const char *class, const char *format);
/* What the class begins with of the engine that can import this format: "" any, NULL none. */
const char *engine_importer(const char *format);

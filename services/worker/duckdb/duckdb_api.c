/* The library by dlopen: nothing is linked, so a host without it loses this engine only. */

#include "services/worker/duckdb/duckdb_api.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/error.h"

#define MAJOR                    1
#define MINOR_MIN                4 /* duckdb_prepared_statement_column_logical_type() */

#define LAYOUT_HOLDS(type, size) _Static_assert(sizeof(type) == (size), #type);
#define FIELD_HOLDS(type, field, offset) \
        _Static_assert(offsetof(type, field) == (offset), #type "." #field);
DUCKDB_LAYOUTS(LAYOUT_HOLDS)
DUCKDB_FIELDS(FIELD_HOLDS)

struct duckdb_api duckdb;

static void *library;

#define NAME(returns, name, ...) { "duckdb_" #name, offsetof(struct duckdb_api, name) },
static const struct {
        const char *name;
        size_t offset;
} functions[] = { DUCKDB_FUNCTIONS(NAME) };

#define REMEDY "run deploy/setup --with-duckdb, or set [worker] duckdb"

static int look_up(void *handle, struct duckdb_api *ret, char why[DUCKDB_API_TEXT_MAX]) {
        for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
                void *function = dlsym(handle, functions[i].name);

                if (!function) {
                        (void) snprintf(why, DUCKDB_API_TEXT_MAX,
                                        "it has no %s(): no DuckDB of 1.%d or later; " REMEDY,
                                        functions[i].name, MINOR_MIN);
                        return -ENOTSUP;
                }
                memcpy((char *) ret + functions[i].offset, &function, sizeof(function));
        }
        return 0;
}

bool duckdb_api_admits(const char *library_version) {
        int major = 0, minor = 0, used = 0;

        return sscanf(library_version, "v%d.%d.%n", &major, &minor, &used) == 2 && used > 0 &&
               major == MAJOR && minor >= MINOR_MIN;
}

const char *duckdb_api_version(void) {
        return duckdb.library_version() + 1; /* without the v */
}

int duckdb_api_load(const char *path, char ret_why[DUCKDB_API_TEXT_MAX]) {
        struct duckdb_api api = {};
        void *handle;
        int r;

        if (library)
                return 0;
        handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        if (!handle) {
                (void) snprintf(ret_why, DUCKDB_API_TEXT_MAX, "%s; " REMEDY, dlerror());
                return -ENOENT;
        }
        r = look_up(handle, &api, ret_why);
        if (r == 0 && !duckdb_api_admits(api.library_version())) {
                (void) snprintf(ret_why, DUCKDB_API_TEXT_MAX,
                                "it is DuckDB %s, and we know %d.%d and later, below %d; " REMEDY,
                                api.library_version(), MAJOR, MINOR_MIN, MAJOR + 1);
                r = -ENOTSUP;
        }
        if (r < 0) {
                (void) dlclose(handle);
                return r;
        }
        duckdb = api;
        library = handle;
        return 0;
}

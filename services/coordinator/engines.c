#include "services/coordinator/engines.h"

#include "common/base/memory.h"

struct bytes engine_name(const char *class) {
        return BYTES(class, strcspn(class, "/"));
}

bool engine_is_same(const char *a, const char *b) {
        return bytes_equal(engine_name(a), engine_name(b));
}

/* "duckdb" and "duckdb/1.5.6" are all classes that begin so, whole parts only. */
static bool is_of(const char *class, const char *wanted) {
        size_t n = strlen(wanted);

        return n > 0 && strncmp(class, wanted, n) == 0 && (class[n] == 0 || class[n] == '/');
}

bool engine_is_class(const char *name) {
        const char *slash = strchr(name, '/');

        return slash && strchr(slash + 1, '/');
}

bool engine_is_wanted(const char *class, char *const *wanted, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (is_of(class, wanted[i]))
                        return true;
        return n == 0;
}

static const struct reading {
        const char *engine, *formats[4];
} readings[] = {
        { "sqlite", { "sqlite", "csv", "ndjson" } },
        { "duckdb", { "parquet", "csv", "ndjson" } },
};

static bool reads(const struct reading *r, const char *format) {
        for (size_t i = 0; i < ELEMENTSOF(r->formats) && r->formats[i]; i++)
                if (strcmp(r->formats[i], format) == 0)
                        return true;
        return false;
}

static const struct {
        const char *format, *engine;
} importers[] = {
        { "csv", "" },
        { "ndjson", "" },
        { "parquet", "duckdb/" },
};

const char *engine_importer(const char *format) {
        for (size_t i = 0; i < ELEMENTSOF(importers); i++)
                if (strcmp(importers[i].format, format) == 0)
                        return importers[i].engine;
        return NULL;
}

bool engine_imports(const char *class, const char *format) {
        return bytes_equal(engine_name(class), BYTES_LIT("sqlite")) && engine_importer(format);
}

bool engine_reads(const char *class, const char *format) {
        for (size_t i = 0; i < ELEMENTSOF(readings); i++)
                if (bytes_equal(engine_name(class), BYTES_STR(readings[i].engine)))
                        return reads(&readings[i], format);
        return true;
}

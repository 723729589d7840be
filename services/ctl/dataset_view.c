/* How datasets look: one way for people, one in JSON. */

#include <inttypes.h>

#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/canonical/schema.h"
#include "services/ctl/dataset.h"
#include "services/ctl/json.h"
#include "services/ctl/people.h"

const char *dataset_size(uint64_t bytes, char ret[DATASET_SIZE_TEXT]) {
        static const char *const units[] = { "KiB", "MiB", "GiB", "TiB" };
        double n = (double) bytes / 1024;
        size_t i = 0;

        while (n >= 1024 && i + 1 < ELEMENTSOF(units)) {
                n /= 1024;
                i++;
        }
        if (bytes < 1024)
                (void) snprintf(ret, DATASET_SIZE_TEXT, "%" PRIu64 " B", bytes);
        else
                (void) snprintf(ret, DATASET_SIZE_TEXT, "%.1f %s", n, units[i]);
        return ret;
}

static const char *class_of(const Coordinator__DatasetInfo *d) {
        return !*d->format ? "" : d->is_public ? "public" : "internal";
}

void dataset_json(const Coordinator__DatasetInfo *d, const char *end) {
        dataset_json_open(d);
        printf("}%s", end);
}

void dataset_json_open(const Coordinator__DatasetInfo *d) {
        bool first = true;

        fputc('{', stdout);
        json_key(stdout, "root", &first);
        json_hex(stdout, d->root.data, d->root.len);
        json_member_string(stdout, "name", d->name, &first);
        json_member_string(stdout, "state", d->state, &first);
        json_member_string(stdout, "format", d->format, &first);
        json_member_u64(stdout, "bytes", d->length, &first);
        json_member_string(stdout, "class", class_of(d), &first);
        json_member_bool(stdout, "pinned", d->pinned, &first);
        json_member_bool(stdout, "announced", d->announced, &first);
        json_member_u64(stdout, "users", d->users, &first);
        json_member_u64(stdout, "pinned_us", (uint64_t) d->pinned_us, &first);
        if (d->moved_from.len > 0) {
                json_key(stdout, "moved_from", &first);
                json_hex(stdout, d->moved_from.data, d->moved_from.len);
        }
        if (d->derived_from.len > 0) {
                json_key(stdout, "derived_from", &first);
                json_hex(stdout, d->derived_from.data, d->derived_from.len);
                json_member_string(stdout, "derived_by", d->derived_by, &first);
                json_member_bool(stdout, "derived_here", d->derived_here, &first);
        }
}

void dataset_moved_text(const Coordinator__DatasetInfo *d) {
        char from[2 * HASH_SIZE + 1], to[2 * HASH_SIZE + 1], name[300];

        if (d->moved_from.len != HASH_SIZE || d->root.len != HASH_SIZE)
                return;
        hex_encode(people_bytes(d->moved_from), from);
        hex_encode(people_bytes(d->root), to);
        printf("%s moved from %s to %s\n", text_escape(BYTES_STR(d->name), name, sizeof(name)),
               from, to);
}

const struct table_column dataset_columns[] = {
        { "ROOT" },
        { "SIZE", .right = true },
        { "FORMAT", .widest = 10 },
        { "CLASS" },
        { "STATE" },
        { "NAME", .widest = 40 },
        {},
};

/* Where it is here, what matters is whether it stays. */
static const char *state_of(const Coordinator__DatasetInfo *d) {
        if (strcmp(d->state, "here") != 0)
                return d->state;
        if (d->pinned)
                return d->announced ? "published" : "pinned";
        return d->derived_here ? "import" : "cached";
}

void dataset_cells(struct table *t, const Coordinator__DatasetInfo *d) {
        char hex[2 * HASH_SIZE + 1] = "?", size[DATASET_SIZE_TEXT];

        if (d->root.len == HASH_SIZE)
                hex_encode(people_bytes(d->root), hex);
        table_cell(t, "%s", hex);
        table_cell(t, "%s", dataset_size(d->length, size));
        table_foreign(t, d->format);
        table_cell(t, "%s", class_of(d));
        table_cell(t, "%s", state_of(d));
        table_foreign(t, d->name);
}

void dataset_derived_text(const Coordinator__DatasetInfo *d) {
        char hex[2 * HASH_SIZE + 1], by[256];

        if (d->derived_from.len != HASH_SIZE)
                return;
        hex_encode(people_bytes(d->derived_from), hex);
        printf("derived    from %s\n           by import %s, %s\n", hex,
               text_escape(BYTES_STR(d->derived_by), by, sizeof(by)),
               d->derived_here ? "made here: SQLite reads it in that one's place"
                               : "says who published it; not used in that one's place");
}

/* ---- columns: of a table (u8 2, then a canonical schema); of a SQLite file only SQLite can tell
 * ---- */

#define TABLE_SCHEMA_VERSION 2

static struct schema *table_schema(struct bytes encoded) {
        struct schema *ret = NULL;

        if (encoded.len > 0 && encoded.data[0] == TABLE_SCHEMA_VERSION)
                (void) schema_decode(BYTES(encoded.data + 1, encoded.len - 1), &ret);
        return ret;
}

void dataset_columns_text(struct bytes encoded) {
        CLEANUP(schema_freep) struct schema *s = table_schema(encoded);
        char name[4 * SCHEMA_NAME_MAX + 1], type[64];

        for (size_t i = 0; s && i < s->n_columns; i++)
                printf("%-10s %s %s\n", i ? "" : "columns",
                       text_escape(s->columns[i]->name, name, sizeof(name)),
                       schema_type_text(s->columns[i], type, sizeof(type)));
}

void dataset_columns_json(struct bytes encoded, bool *first) {
        CLEANUP(schema_freep) struct schema *s = table_schema(encoded);
        char type[64];

        if (!s)
                return;
        json_key(stdout, "columns", first);
        for (size_t i = 0; i < s->n_columns; i++) {
                CLEANUP(freep)
                char *name = xasprintf("%.*s", (int) s->columns[i]->name.len,
                                       (const char *) s->columns[i]->name.data);
                bool inner = true;

                fputs(i ? ",{" : "[{", stdout);
                json_member_string(stdout, "name", name, &inner);
                json_member_string(stdout, "type",
                                   schema_type_text(s->columns[i], type, sizeof(type)), &inner);
                fputc('}', stdout);
        }
        fputc(']', stdout);
}

/* The first pages of an image: the database header and the catalogue's one row. */

#include "common/base/error.h"
#include "common/base/memory.h"
#include "services/worker/tables/image_record.h"

#define DATABASE_HEADER 100
#define SQL_MAX         (1u << 20)
#define PAD_MAX         256  /* spaces behind the CREATE TABLE, at most */
#define FIRST_LOCAL     3900 /* bytes of the row that surely fit on page 1, its cell's head too */

const char *image_type(enum cell_type type) {
        switch (type) {
        case CELL_INTEGER:
                return "INTEGER";
        case CELL_REAL:
        case CELL_DECIMAL: /* SQLite has no exact one: README.md */
                return "REAL";
        case CELL_BLOB:
                return "BLOB";
        default:
                return "TEXT";
        }
}

static void put_quoted(struct buffer *b, struct bytes name) {
        buffer_put_u8(b, '"');
        for (size_t i = 0; i < name.len; i++) {
                if (name.data[i] == '"')
                        buffer_put_u8(b, '"');
                buffer_put_u8(b, name.data[i]);
        }
        buffer_put_u8(b, '"');
}

/* As sqlite_tables.c says it to SQLite, so that both tables are one to the analysis. */
static void put_sql(const struct schema *schema, const char *name, struct buffer *b) {
        buffer_put_bytes(b, BYTES_LIT("CREATE TABLE "));
        put_quoted(b, BYTES_STR(name));
        buffer_put_u8(b, '(');
        for (size_t i = 0; i < schema->n_columns; i++) {
                if (i)
                        buffer_put_bytes(b, BYTES_LIT(", "));
                put_quoted(b, schema->columns[i]->name);
                buffer_put_u8(b, ' ');
                buffer_put_bytes(b, BYTES_STR(image_type(schema->columns[i]->type)));
        }
        buffer_put_bytes(b, BYTES_LIT(") STRICT"));
}

struct catalogue {
        struct buffer sql;
        struct table_value row[5]; /* type, name, tbl_name, rootpage, sql */
};

static size_t set_sql(struct catalogue *c) {
        c->row[4].text = buffer_bytes(&c->sql);
        return record_size(c->row, ELEMENTSOF(c->row));
}

/* Page 1 has 100 bytes less than others, so not every record that a leaf would take fits:
 * spaces behind the statement make it one that does. Returns its size. */
static size_t catalogue_init(struct catalogue *c, const struct schema *schema, const char *name,
                             uint32_t root) {
        size_t size;

        *c = (struct catalogue){
                .row = { { .type = CELL_TEXT, .text = BYTES_LIT("table") },
                         { .type = CELL_TEXT, .text = BYTES_STR(name) },
                         { .type = CELL_TEXT, .text = BYTES_STR(name) },
                         { .type = CELL_INTEGER, .integer = root },
                         { .type = CELL_TEXT } },
        };
        buffer_init(&c->sql, SQL_MAX);
        put_sql(schema, name, &c->sql);
        while (record_local(size = set_sql(c)) > FIRST_LOCAL)
                buffer_put_u8(&c->sql, ' ');
        check(!c->sql.failed);
        return size;
}

static size_t longest(const struct schema *schema) {
        struct catalogue c;
        char name[IMAGE_NAME + 1];
        size_t size;

        memset(name, 'x', IMAGE_NAME);
        name[IMAGE_NAME] = 0;
        size = catalogue_init(&c, schema, name, UINT32_MAX);
        buffer_done(&c.sql);
        return size;
}

uint32_t image_head_pages(const struct schema *schema) {
        size_t size = longest(schema);

        if (size <= FIRST_LOCAL)
                return 1;
        return 1 + (uint32_t) ((size + PAD_MAX + SPILL_BYTES - 1) / SPILL_BYTES);
}

/* Values that SQLite would count up are those of a file written once. */
static void put_database_header(uint8_t *page, uint32_t pages, uint32_t free_first,
                                uint32_t n_free) {
        static const struct {
                uint8_t at;
                uint32_t value;
        } fields[] = {
                { 24, 1 },       /* changes so far */
                { 40, 1 },       /* changes of the schema */
                { 44, 4 },       /* format of the schema: the newest */
                { 56, 1 },       /* UTF-8 */
                { 92, 1 },       /* what 96 belongs to: equals 24 */
                { 96, 3037000 }, /* the first SQLite that knows STRICT */
        };

        memcpy(page, "SQLite format 3", 16);
        page[16] = IMAGE_PAGE >> 8;
        page[18] = page[19] = 1; /* a rollback journal */
        page[21] = 64;           /* these three must be so */
        page[22] = page[23] = 32;
        store_be32(page + 28, pages);
        store_be32(page + 32, free_first);
        store_be32(page + 36, n_free);
        for (size_t i = 0; i < ELEMENTSOF(fields); i++)
                store_be32(page + fields[i].at, fields[i].value);
}

/* The one cell at the end of page 1; returns how much of the record it took. */
static size_t put_first_cell(uint8_t *page, struct bytes record) {
        size_t local = record_local(record.len), at = USABLE - record_cell_size(record.len, 1);
        uint8_t *header = page + DATABASE_HEADER, *to = page + at;

        header[0] = 0x0d;
        header[4] = 1;
        header[5] = header[8] = (uint8_t) (at >> 8);
        header[6] = header[9] = (uint8_t) at;
        to += record_varint(record.len, to);
        to += record_varint(1, to);
        memcpy(to, record.data, local);
        if (local < record.len)
                store_be32(to + local, 2);
        return local;
}

/* Pages 2 and up: what is left of the record, then those that this name has no use for, as
 * SQLite keeps free pages. Returns the first of them; 0: none. */
static uint32_t put_rest(uint8_t *head, uint32_t n, struct bytes rest) {
        uint32_t page = 2;
        uint8_t *trunk;

        for (; rest.len > 0; page++) {
                size_t len = rest.len < SPILL_BYTES ? rest.len : SPILL_BYTES;
                uint8_t *to = head + (size_t) (page - 1) * IMAGE_PAGE;

                store_be32(to, len < rest.len ? page + 1 : 0);
                memcpy(to + 4, rest.data, len);
                rest = BYTES(rest.data + len, rest.len - len);
        }
        check(page <= n + 1);
        if (page > n)
                return 0;
        trunk = head + (size_t) (page - 1) * IMAGE_PAGE;
        store_be32(trunk + 4, n - page);
        for (uint32_t i = page + 1; i <= n; i++)
                store_be32(trunk + 8 + 4 * (size_t) (i - page - 1), i);
        return page;
}

void image_head(const struct schema *schema, const char *name, uint32_t pages, struct buffer *ret) {
        uint32_t n = image_head_pages(schema), free_first;
        struct catalogue c;
        size_t size = catalogue_init(&c, schema, name, pages), local;
        CLEANUP(freep) uint8_t *record = xmalloc(size);
        uint8_t *head = buffer_reserve(ret, (size_t) n * IMAGE_PAGE);

        check(strlen(name) <= IMAGE_NAME);
        if (head) {
                memset(head, 0, (size_t) n * IMAGE_PAGE);
                record_write(c.row, ELEMENTSOF(c.row), record);
                local = put_first_cell(head, BYTES(record, size));
                free_first = put_rest(head, n, BYTES(record + local, size - local));
                put_database_header(head, pages, free_first, free_first ? n - free_first + 1 : 0);
                ret->len += (size_t) n * IMAGE_PAGE;
        }
        buffer_done(&c.sql);
}

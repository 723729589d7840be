#include "services/worker/tables/image.h"

#include <errno.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "services/worker/tables/image_record.h"

#define LEAF_ROOM    (USABLE - PAGE_HEADER)
#define INNER_HEADER 12
#define CHILDREN     256 /* of an inner page: they fit whatever their rowids are */
#define LEVELS_MAX   6
#define LOCK_PAGE    (0x40000000u / IMAGE_PAGE + 1) /* SQLite locks there, and keeps nothing */
#define POINTER      2                              /* bytes of a cell's place in its page */

/* ---- counting ---- */

static bool takes(size_t left, size_t cell) {
        return left >= cell + POINTER;
}

static void count_row(struct image_size *s, size_t record) {
        size_t cell = record_cell_size(record, ++s->rows);

        s->spilled += record_spill_pages(record);
        if (s->leaves == 0 || !takes(s->left, cell)) {
                s->leaves++;
                s->left = LEAF_ROOM;
        }
        s->left -= cell + POINTER;
}

void image_count(struct image_size *s, const struct table_value *values, size_t n) {
        count_row(s, record_size(values, n));
}

/* Pages of each level, leaves first, until one is the root. Returns how many levels. */
static size_t levels_of(const struct image_size *s, uint64_t ret[LEVELS_MAX]) {
        size_t n = 1;

        ret[0] = s->leaves ? s->leaves : 1; /* no rows: an empty leaf */
        while (ret[n - 1] > 1 && n < LEVELS_MAX) {
                ret[n] = (ret[n - 1] + CHILDREN - 1) / CHILDREN;
                n++;
        }
        return n;
}

uint32_t image_pages(const struct schema *schema, const struct image_size *s) {
        uint64_t levels[LEVELS_MAX], pages = image_head_pages(schema) + s->spilled;
        size_t n = levels_of(s, levels);

        for (size_t i = 0; i < n; i++)
                pages += levels[i];
        pages += pages >= LOCK_PAGE;
        return pages <= IMAGE_PAGES && levels[n - 1] == 1 ? (uint32_t) pages : 0;
}

/* ---- writing ---- */

struct level {
        uint64_t seen, total; /* pages of the level */
        /* The page above them that is being filled; its last child is no cell yet. */
        uint8_t page[IMAGE_PAGE];
        unsigned n;   /* children */
        size_t start; /* of its cells */
        uint32_t last;
        uint64_t last_rowid;
};

struct image {
        const struct schema *schema;
        struct image_size size, seen;
        image_page_fn fn;
        void *userdata;
        uint32_t pages, next; /* next: number of the page that comes now */
        uint8_t leaf[IMAGE_PAGE];
        unsigned n;
        size_t start, left;
        struct level *levels;
        size_t n_levels;
        struct buffer record;
};

struct image *image_new(const struct schema *schema, const struct image_size *size,
                        image_page_fn fn, void *userdata) {
        struct image *i = xnew(struct image);
        uint64_t totals[LEVELS_MAX];

        *i = (struct image){
                .schema = schema,
                .size = *size,
                .fn = fn,
                .userdata = userdata,
                .pages = image_pages(schema, size),
                .next = 1,
                .start = USABLE,
                .left = LEAF_ROOM,
                .n_levels = levels_of(size, totals),
        };
        i->levels = xnew_n(struct level, i->n_levels);
        for (size_t k = 0; k < i->n_levels; k++) {
                i->levels[k].total = totals[k];
                i->levels[k].start = USABLE;
        }
        buffer_init(&i->record, 2 * (size_t) TABLE_ROW_MAX + (size_t) 16 * TABLE_COLUMNS_MAX);
        return i;
}

struct image *image_free(struct image *i) {
        if (!i)
                return NULL;
        buffer_done(&i->record);
        free(i->levels);
        free(i);
        return NULL;
}

static uint32_t page_from(uint32_t page) {
        return page == LOCK_PAGE ? page + 1 : page;
}

/* The number of the page that emit() writes next. */
static uint32_t upcoming(const struct image *i) {
        return page_from(i->next);
}

static int emit(struct image *i, const uint8_t *page) {
        static const uint8_t nothing[IMAGE_PAGE];
        int r = i->next == LOCK_PAGE ? i->fn(i->userdata, nothing) : 0;

        i->next = upcoming(i) + 1;
        return r ? r : i->fn(i->userdata, page);
}

/* Type, cells, and where they begin; the pointers to them stand already. */
static void put_page_header(uint8_t *page, uint8_t type, unsigned n, size_t start) {
        page[0] = type;
        page[3] = (uint8_t) (n >> 8);
        page[4] = (uint8_t) n;
        page[5] = (uint8_t) (start >> 8);
        page[6] = (uint8_t) start;
}

static void put_pointer(uint8_t *pointers, unsigned n, size_t start) {
        pointers[2 * n] = (uint8_t) (start >> 8);
        pointers[2 * n + 1] = (uint8_t) start;
}

/* ---- inner pages ---- */

/* Never a last page with one child alone: a page has a cell at least. */
static bool is_full(const struct level *l) {
        return l->n == CHILDREN || l->seen == l->total ||
               (l->n == CHILDREN - 1 && l->total - l->seen == 2);
}

static void put_child(struct level *l, uint32_t page, uint64_t rowid) {
        if (l->n > 0) {
                uint8_t cell[4 + 9];
                size_t len = 4 + record_varint(l->last_rowid, cell + 4);

                store_be32(cell, l->last);
                l->start -= len;
                memcpy(l->page + l->start, cell, len);
                put_pointer(l->page + INNER_HEADER, l->n - 1, l->start);
        }
        l->last = page;
        l->last_rowid = rowid;
        l->n++;
        l->seen++;
}

/* A page of level k was written as `page`, the rows in and below it end with `rowid`. */
static int note_page(struct image *i, size_t k, uint32_t page, uint64_t rowid) {
        for (; k + 1 < i->n_levels; k++) {
                struct level *l = &i->levels[k];
                int r;

                put_child(l, page, rowid);
                if (!is_full(l))
                        return 0;
                put_page_header(l->page, 0x05, l->n - 1, l->start);
                store_be32(l->page + 8, l->last);
                page = upcoming(i);
                r = emit(i, l->page);
                if (r)
                        return r;
                memset(l->page, 0, IMAGE_PAGE);
                l->n = 0;
                l->start = USABLE;
        }
        return 0;
}

/* ---- leaves ---- */

static int write_leaf(struct image *i) {
        uint32_t page = upcoming(i);
        int r;

        put_page_header(i->leaf, 0x0d, i->n, i->start);
        r = emit(i, i->leaf);
        memset(i->leaf, 0, IMAGE_PAGE);
        i->n = 0;
        i->start = USABLE;
        i->left = LEAF_ROOM;
        return r ? r : note_page(i, 0, page, i->seen.rows);
}

static int write_spill(struct image *i, struct bytes rest) {
        uint8_t page[IMAGE_PAGE];

        while (rest.len > 0) {
                size_t n = rest.len < SPILL_BYTES ? rest.len : SPILL_BYTES;
                int r;

                store_be32(page, n < rest.len ? page_from(upcoming(i) + 1) : 0);
                memcpy(page + 4, rest.data, n);
                memset(page + 4 + n, 0, SPILL_BYTES - n);
                r = emit(i, page);
                if (r)
                        return r;
                rest = BYTES(rest.data + n, rest.len - n);
        }
        return 0;
}

static int put_row(struct image *i, struct bytes record) {
        uint64_t rowid = i->seen.rows;
        size_t cell = record_cell_size(record.len, rowid), local = record_local(record.len);
        uint8_t *to;

        i->start -= cell;
        i->left -= cell + POINTER;
        put_pointer(i->leaf + PAGE_HEADER, i->n++, i->start);
        to = i->leaf + i->start;
        to += record_varint(record.len, to);
        to += record_varint(rowid, to);
        memcpy(to, record.data, local);
        if (local < record.len)
                store_be32(to + local, upcoming(i));
        return write_spill(i, BYTES(record.data + local, record.len - local));
}

int image_begin(struct image *i) {
        CLEANUP(buffer_donep) struct buffer head = {};
        uint32_t n = image_head_pages(i->schema);
        int r = 0;

        buffer_init(&head, (size_t) n * IMAGE_PAGE);
        image_head(i->schema, IMAGE_TABLE, i->pages, &head);
        check(!head.failed);
        for (uint32_t k = 0; k < n && !r; k++)
                r = emit(i, head.data + (size_t) k * IMAGE_PAGE);
        return r;
}

int image_add(struct image *i, const struct table_value *values) {
        size_t n = i->schema->n_columns, size = record_size(values, n);
        size_t cell = record_cell_size(size, i->seen.rows + 1);
        uint8_t *record;
        int r = 0;

        if (i->seen.rows == i->size.rows)
                return error_origin(-EINVAL);
        if (i->n > 0 && !takes(i->left, cell))
                r = write_leaf(i);
        if (r)
                return r;
        buffer_clear(&i->record);
        record = buffer_reserve(&i->record, size);
        if (!record)
                return error_origin(-ENOMEM);
        record_write(values, n, record);
        count_row(&i->seen, size);
        return put_row(i, BYTES(record, size));
}

int image_end(struct image *i) {
        int r = write_leaf(i);

        if (r)
                return r;
        return i->seen.rows == i->size.rows && i->next == i->pages + 1 ? 0 : error_origin(-EINVAL);
}

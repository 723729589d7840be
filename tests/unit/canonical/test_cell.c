#include "common/canonical/cell.h"

#include <math.h>

#include "common/base/rng.h"
#include "tests/unit/canonical/support.h"
#include "tests/unit/canonical/vectors/vectors.h"

/* The scripts of vectors.h: one word per cell, its first letter the type. */
struct script {
        struct buffer b;
        size_t maps[CELL_DEPTH_MAX]; /* where open MAPs began */
        size_t n_maps;
};

static __int128 parse_i128(const char *s, char **end) {
        bool negative = *s == '-';
        __int128 v = 0;

        for (s += negative; *s >= '0' && *s <= '9'; s++)
                v = v * 10 - (*s - '0'); /* downwards: -2^127 has no positive */
        *end = (char *) s;
        return negative ? v : -v;
}

static int64_t next_i64(char **at) {
        int64_t v = strtoll(*at, at, 10);

        *at += **at == ',';
        return v;
}

static void run_number(struct script *s, char letter, char *rest) {
        __int128 v;

        if (letter == 'D')
                return cell_put_date(&s->b, (int32_t) next_i64(&rest));
        if (letter == 'T' || letter == 'S' || letter == 'Z')
                return cell_put_usec(&s->b,
                                     letter == 'T'   ? CELL_TIME
                                     : letter == 'S' ? CELL_TIMESTAMP
                                                     : CELL_TIMESTAMPTZ,
                                     next_i64(&rest));
        if (letter == 'V') {
                int32_t months = (int32_t) next_i64(&rest), days = (int32_t) next_i64(&rest);

                return cell_put_interval(&s->b, months, days, next_i64(&rest));
        }
        v = parse_i128(rest, &rest);
        if (letter == 'd')
                assert_int_equal(cell_put_decimal(&s->b, v, (unsigned) strtoul(rest + 1, NULL, 10)),
                                 0);
        else
                cell_put_integer128(&s->b, v);
}

static void run_content(struct script *s, char letter, const char *rest) {
        uint64_t n_bits = letter == 'B' ? strtoull(rest, NULL, 10) : 0;
        CLEANUP(bytes_freep)
        struct bytes v = from_hex(letter == 'B' ? strchr(rest, ',') + 1 : rest);
        uint64_t bits;
        double real;

        if (letter == 't')
                assert_int_equal(cell_put_text(&s->b, v), CELL_OK);
        else if (letter == 'b')
                cell_put_blob(&s->b, v);
        else if (letter == 'u')
                cell_put_uuid(&s->b, v.data);
        else if (letter == 'B')
                cell_put_bit(&s->b, v.data, n_bits);
        else {
                assert_int_equal(letter, 'r');
                bits = load_be64(v.data);
                memcpy(&real, &bits, sizeof(real));
                assert_int_equal(cell_put_real(&s->b, real), CELL_OK);
        }
}

static void run_nested(struct script *s, char letter, const char *rest) {
        if (letter == 'm') {
                assert_int_equal(cell_sort_map(&s->b, s->maps[--s->n_maps]), CELL_OK);
                return;
        }
        if (letter == 'M')
                s->maps[s->n_maps++] = s->b.len;
        cell_begin(&s->b,
                   letter == 'L'   ? CELL_LIST
                   : letter == 'R' ? CELL_STRUCT
                                   : CELL_MAP,
                   strtoull(rest, NULL, 10));
}

static void run_word(struct script *s, char *word) {
        if (*word == 'N')
                cell_put_null(&s->b);
        else if (*word == 'i' && strlen(word) < 19)
                cell_put_integer(&s->b, strtoll(word + 1, NULL, 10));
        else if (strchr("idDTSZV", *word))
                run_number(s, *word, word + 1);
        else if (strchr("LRMm", *word))
                run_nested(s, *word, word + 1);
        else
                run_content(s, *word, word + 1);
}

static void test_vectors(void **state) {
        FOREACH_CASE (c, cell_vectors) {
                CLEANUP(freep) char *text = xstrdup(c->script);
                struct script s = {};
                struct reader r;
                struct cell cell;
                struct buffer again;
                char *saved = NULL;

                buffer_init(&s.b, 1 << 16);
                for (char *w = strtok_r(text, " ", &saved); w; w = strtok_r(NULL, " ", &saved))
                        run_word(&s, w);
                assert_false(s.b.failed);
                assert_hex_equal(buffer_bytes(&s.b), c->bytes);

                r = reader_of(buffer_bytes(&s.b));
                assert_int_equal(cell_read(&r, &cell), CELL_OK);
                assert_true(reader_done(&r));
                buffer_init(&again, 1 << 16);
                cell_put(&again, &cell);
                assert_bytes_equal(buffer_bytes(&again), buffer_bytes(&s.b));
                buffer_done(&again);
                buffer_done(&s.b);
        }
}

static const char *const result_names[] = {
        [CELL_OK] = "OK",
        [CELL_E_SHORT] = "SHORT",
        [CELL_E_TYPE] = "TYPE",
        [CELL_E_LENGTH] = "LENGTH",
        [CELL_E_INTEGER] = "INTEGER",
        [CELL_E_DECIMAL] = "DECIMAL",
        [CELL_E_REAL] = "REAL",
        [CELL_E_UTF8] = "UTF8",
        [CELL_E_BIT] = "BIT",
        [CELL_E_MAP_ORDER] = "MAP_ORDER",
        [CELL_E_NAME] = "NAME",
        [CELL_E_DEPTH] = "DEPTH",
};

static void test_refused(void **state) {
        FOREACH_CASE (c, refused_cells) {
                CLEANUP(bytes_freep) struct bytes v = from_hex(c->bytes);
                struct reader r = reader_of(v);
                struct cell cell;

                assert_string_equal(result_names[cell_read(&r, &cell)], c->why);
        }
}

static void test_writers_refuse(void **state) {
        struct buffer b;
        size_t start;

        buffer_init(&b, 1000);
        assert_int_equal(cell_put_real(&b, INFINITY), CELL_E_REAL);
        assert_int_equal(cell_put_real(&b, -INFINITY), CELL_E_REAL);
        assert_int_equal(cell_put_text(&b, BYTES_LIT("a\xff")), CELL_E_UTF8);
        assert_int_equal(cell_put_decimal(&b, 7, 256), CELL_E_DECIMAL);
        assert_int_equal(cell_put_integer_bytes(&b, BYTES_NONE), CELL_E_INTEGER);
        assert_int_equal(b.len, 0);
        start = b.len;
        cell_begin(&b, CELL_MAP, 2);
        for (int i = 0; i < 4; i++)
                cell_put_integer(&b, 5);
        assert_int_equal(cell_sort_map(&b, start), CELL_E_MAP_ORDER);
        buffer_done(&b);
}

/* Random cells of every type, nested ones too. */
static void put_random(struct rng *r, struct buffer *b, unsigned depth) {
        static const enum cell_type types[] = {
                CELL_NULL, CELL_INTEGER, CELL_DECIMAL,   CELL_REAL,        CELL_TEXT,     CELL_BLOB,
                CELL_DATE, CELL_TIME,    CELL_TIMESTAMP, CELL_TIMESTAMPTZ, CELL_INTERVAL, CELL_UUID,
                CELL_BIT,  CELL_LIST,    CELL_STRUCT,    CELL_MAP,
        };
        enum cell_type type = types[rng_below(r, depth < 4 ? 16 : 13)];
        uint8_t raw[16];
        size_t n = rng_below(r, sizeof(raw)), start = b->len;
        int64_t v = (int64_t) (rng_u64(r) >> rng_below(r, 64));

        rng_bytes(r, raw, sizeof(raw));
        switch (type) {
        case CELL_NULL:
                return cell_put_null(b);
        case CELL_INTEGER:
                return rng_chance(r, 0.5) ? cell_put_integer(b, -v)
                                          : cell_put_integer128(b, (__int128) v * v);
        case CELL_DECIMAL:
                assert_int_equal(cell_put_decimal(b, (__int128) v * -v, n), CELL_OK);
                return;
        case CELL_REAL:
                assert_int_equal(cell_put_real(b, (double) v / 7), CELL_OK);
                return;
        case CELL_TEXT:
                for (size_t i = 0; i < n; i++)
                        raw[i] &= 0x7f;
                assert_int_equal(cell_put_text(b, BYTES(raw, n)), CELL_OK);
                return;
        case CELL_BLOB:
                return cell_put_blob(b, BYTES(raw, n));
        case CELL_DATE:
                return cell_put_date(b, (int32_t) v);
        case CELL_INTERVAL:
                return cell_put_interval(b, (int32_t) v, (int32_t) n, v);
        case CELL_UUID:
                return cell_put_uuid(b, raw);
        case CELL_BIT:
                return cell_put_bit(b, raw, rng_below(r, 128));
        case CELL_LIST ... CELL_MAP:
                n = rng_below(r, 4);
                cell_begin(b, type, n);
                for (size_t i = 0; i < n; i++) {
                        if (type != CELL_LIST)
                                assert_int_equal(cell_put_text(b, BYTES("abcd", i)), CELL_OK);
                        put_random(r, b, depth + 1);
                }
                if (type == CELL_MAP)
                        assert_int_equal(cell_sort_map(b, start), CELL_OK);
                return;
        default:
                return cell_put_usec(b, type, v);
        }
}

static void put_members(struct buffer *b, const struct cell *c);

/* Reads a cell apart and writes it again member by member. */
static void put_apart(struct buffer *b, const struct cell *c) {
        if (c->type < CELL_LIST)
                return cell_put(b, c);
        cell_begin(b, c->type, c->count);
        put_members(b, c);
}

static void put_members(struct buffer *b, const struct cell *c) {
        struct cell_members m = cell_members_of(c);
        struct cell key, value;
        uint64_t n = 0;

        for (; cell_next(&m, &key, &value); n++) {
                if (c->type != CELL_LIST)
                        put_apart(b, &key);
                put_apart(b, &value);
        }
        assert_int_equal(n, c->count);
}

static void test_round_trip(void **state) {
        struct buffer b, again;
        struct rng r;

        rng_init(&r, 11);
        buffer_init(&b, 1 << 16);
        buffer_init(&again, 1 << 16);
        for (int i = 0; i < 20000; i++) {
                struct reader reader;
                struct cell cell;

                buffer_clear(&b);
                buffer_clear(&again);
                put_random(&r, &b, 0);
                reader = reader_of(buffer_bytes(&b));
                assert_int_equal(cell_read(&reader, &cell), CELL_OK);
                assert_true(reader_done(&reader));
                put_apart(&again, &cell);
                assert_bytes_equal(buffer_bytes(&again), buffer_bytes(&b));
        }
        buffer_done(&b);
        buffer_done(&again);
}

/* What is accepted is canonical: taken apart and put together through the
 * writers, which know one form only, it gives the same bytes. */
static void test_mutations(void **state) {
        size_t accepted = 0, refused = 0;
        struct buffer b, again;
        struct rng r;

        rng_init(&r, 12);
        buffer_init(&b, 1 << 16);
        buffer_init(&again, 1 << 16);
        for (int i = 0; i < 60000; i++) {
                struct reader reader;
                struct cell cell;

                buffer_clear(&b);
                buffer_clear(&again);
                put_random(&r, &b, 0);
                b.data[rng_below(&r, b.len)] ^= (uint8_t) (1 + rng_below(&r, 255));
                reader = reader_of(buffer_bytes(&b));
                if (cell_read(&reader, &cell)) {
                        refused++;
                        continue;
                }
                accepted++;
                put_apart(&again, &cell);
                assert_bytes_equal(buffer_bytes(&again), BYTES(b.data, reader.pos));
        }
        assert_true(accepted > 1000 && refused > 1000);
        buffer_done(&b);
        buffer_done(&again);
}

TEST_MAIN(cmocka_unit_test(test_vectors), cmocka_unit_test(test_refused),
          cmocka_unit_test(test_writers_refuse), cmocka_unit_test(test_round_trip),
          cmocka_unit_test(test_mutations))

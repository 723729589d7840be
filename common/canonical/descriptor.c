#include "common/canonical/descriptor.h"

#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/canonical/cell.h"
#include "common/canonical/schema.h"
#include "common/wire/varint.h"

static const uint8_t magic[] = { 'Q', 'D', 'S', 'C', DESCRIPTOR_VERSION };

struct hash_value query_hash(struct bytes sql) {
        return hash_of("quorate.query.1", sql);
}

struct hash_value job_id(struct bytes descriptor) {
        return hash_of("quorate.job.1", descriptor);
}

struct hash_value job_salt(struct bytes descriptor) {
        return hash_of("quorate.salt.1", descriptor);
}

static const char *const comparisons[] = {
        [COMPARISON_CLASS] = "class",
        [COMPARISON_ENGINE] = "engine",
        [COMPARISON_PORTABLE] = "portable",
};
static const char *const data_classes[] = {
        [DATA_PUBLIC] = "public",
        [DATA_INTERNAL] = "internal",
        [DATA_SENSITIVE] = "sensitive",
};

static unsigned find_name(const char *const *names, size_t n, struct bytes name) {
        for (size_t i = 1; i < n; i++)
                if (bytes_equal(BYTES_STR(names[i]), name))
                        return (unsigned) i;
        return 0;
}

const char *comparison_name(unsigned comparison) {
        return comparison < ELEMENTSOF(comparisons) ? comparisons[comparison] : NULL;
}

unsigned comparison_of(struct bytes name) {
        return find_name(comparisons, ELEMENTSOF(comparisons), name);
}

const char *data_class_name(unsigned data_class) {
        return data_class < ELEMENTSOF(data_classes) ? data_classes[data_class] : NULL;
}

unsigned data_class_of(struct bytes name) {
        return find_name(data_classes, ELEMENTSOF(data_classes), name);
}

static bool is_digit(uint8_t c) {
        return c >= '0' && c <= '9';
}

bool dataset_is_named(struct bytes name) {
        for (size_t i = 0; i < name.len; i++) {
                uint8_t c = name.data[i], lower = c | 0x20;

                if ((lower < 'a' || lower > 'z') && c != '_' && !is_digit(c))
                        return false;
        }
        return name.len > 0 && !is_digit(name.data[0]);
}

static bool is_text(struct bytes v) {
        return v.len <= DESCRIPTOR_TEXT_MAX && utf8_is_valid(v);
}

static bool parameters_are_good(const struct descriptor *d) {
        struct reader r = reader_of(d->parameters);
        struct cell cell;

        if (d->n_parameters > DESCRIPTOR_PARAMETERS_MAX ||
            d->parameters.len > DESCRIPTOR_PARAMETER_MAX)
                return false;
        for (size_t i = 0; i < d->n_parameters; i++)
                if (cell_read(&r, &cell))
                        return false;
        return reader_done(&r);
}

static bool classes_are_good(const struct descriptor *d) {
        if (d->n_classes > DESCRIPTOR_CLASSES_MAX)
                return false;
        for (size_t i = 0; i < d->n_classes; i++)
                if (d->classes[i].len == 0 || !is_text(d->classes[i]))
                        return false;
        return true;
}

static bool datasets_are_good(const struct descriptor *d) {
        if (d->n_datasets > DESCRIPTOR_DATASETS_MAX)
                return false;
        for (size_t i = 0; i < d->n_datasets; i++) {
                if (d->datasets[i].name.len == 0 || !is_text(d->datasets[i].name))
                        return false;
                for (size_t j = 0; j < i; j++)
                        if (bytes_equal(d->datasets[i].name, d->datasets[j].name))
                                return false;
        }
        return true;
}

static bool schema_is_good(struct bytes encoded) {
        CLEANUP(schema_freep) struct schema *s = NULL;

        return schema_decode(encoded, &s) == SCHEMA_OK;
}

/* NULL when every field is within its limits: one check for reading and writing. */
static const char *find_bad_field(const struct descriptor *d) {
        if (d->requester.len == 0 || d->requester.len > DESCRIPTOR_PEER_MAX)
                return "requester";
        if (!parameters_are_good(d))
                return "parameters";
        if (!d->comparison || !comparison_name(d->comparison))
                return "comparison";
        if (!classes_are_good(d))
                return "engine classes";
        if (!datasets_are_good(d))
                return "datasets";
        if (!schema_is_good(d->schema))
                return "schema";
        if (!is_text(d->network))
                return "network";
        if (!d->data_class || !data_class_name(d->data_class))
                return "data class";
        return NULL;
}

static int finish(const struct descriptor *d, const char **ret_field) {
        const char *field = find_bad_field(d);

        if (!field)
                return DESCRIPTOR_OK;
        if (ret_field)
                *ret_field = field;
        return DESCRIPTOR_E_FIELD;
}

/* The cells themselves are checked with the other fields; here only where they end. */
static void read_parameters(struct reader *r, struct descriptor *ret) {
        size_t start;
        struct cell cell;

        ret->n_parameters = (size_t) reader_varint(r);
        start = r->pos;
        for (size_t i = 0; i < ret->n_parameters && !r->failed; i++)
                if (i == DESCRIPTOR_PARAMETERS_MAX || cell_read(r, &cell))
                        r->failed = true;
        if (!r->failed)
                ret->parameters = BYTES(r->data + start, r->pos - start);
}

static void read_classes(struct reader *r, struct descriptor *ret) {
        ret->n_classes = (size_t) reader_varint(r);
        if (ret->n_classes > DESCRIPTOR_CLASSES_MAX)
                r->failed = true;
        for (size_t i = 0; i < ret->n_classes && !r->failed; i++)
                ret->classes[i] = reader_prefixed(r);
}

static void read_datasets(struct reader *r, struct descriptor *ret) {
        ret->n_datasets = (size_t) reader_varint(r);
        if (ret->n_datasets > DESCRIPTOR_DATASETS_MAX)
                r->failed = true;
        for (size_t i = 0; i < ret->n_datasets && !r->failed; i++) {
                ret->datasets[i].name = reader_prefixed(r);
                reader_copy(r, ret->datasets[i].root.bytes, HASH_SIZE);
        }
}

static void read_limits(struct reader *r, struct descriptor_limits *ret) {
        ret->rows = reader_u64(r);
        ret->bytes = reader_u64(r);
        ret->memory = reader_u64(r);
        ret->cpu_ms = reader_u64(r);
        ret->wall_ms = reader_u64(r);
}

int descriptor_decode(struct bytes v, struct descriptor *ret, const char **ret_field) {
        struct reader r = reader_of(v);
        uint8_t ordered;

        *ret = (struct descriptor){};
        if (v.len > DESCRIPTOR_BYTES_MAX ||
            !bytes_equal(reader_take(&r, sizeof(magic)), BYTES_OF(magic)))
                return DESCRIPTOR_E_FORMAT;
        ret->requester = reader_prefixed(&r);
        reader_copy(&r, ret->nonce, sizeof(ret->nonce));
        reader_copy(&r, ret->query.bytes, HASH_SIZE);
        read_parameters(&r, ret);
        ret->comparison = reader_u8(&r);
        read_classes(&r, ret);
        read_datasets(&r, ret);
        read_limits(&r, &ret->limits);
        ret->schema = reader_prefixed(&r);
        ordered = reader_u8(&r);
        ret->ordered = ordered == 1;
        ret->time_us = (int64_t) reader_u64(&r);
        reader_copy(&r, ret->seed, sizeof(ret->seed));
        ret->network = reader_prefixed(&r);
        ret->data_class = reader_u8(&r);
        if (!reader_done(&r) || ordered > 1)
                return DESCRIPTOR_E_FORMAT;
        return finish(ret, ret_field);
}

int descriptor_encode(const struct descriptor *d, struct buffer *b, const char **ret_field) {
        int result = finish(d, ret_field);

        if (result)
                return result;
        buffer_put(b, magic, sizeof(magic));
        buffer_put_prefixed(b, d->requester);
        buffer_put(b, d->nonce, sizeof(d->nonce));
        buffer_put_bytes(b, hash_bytes(&d->query));
        buffer_put_varint(b, d->n_parameters);
        buffer_put_bytes(b, d->parameters);
        buffer_put_u8(b, (uint8_t) d->comparison);
        buffer_put_varint(b, d->n_classes);
        for (size_t i = 0; i < d->n_classes; i++)
                buffer_put_prefixed(b, d->classes[i]);
        buffer_put_varint(b, d->n_datasets);
        for (size_t i = 0; i < d->n_datasets; i++) {
                buffer_put_prefixed(b, d->datasets[i].name);
                buffer_put_bytes(b, hash_bytes(&d->datasets[i].root));
        }
        buffer_put_u64(b, d->limits.rows);
        buffer_put_u64(b, d->limits.bytes);
        buffer_put_u64(b, d->limits.memory);
        buffer_put_u64(b, d->limits.cpu_ms);
        buffer_put_u64(b, d->limits.wall_ms);
        buffer_put_prefixed(b, d->schema);
        buffer_put_u8(b, d->ordered);
        buffer_put_u64(b, (uint64_t) d->time_us);
        buffer_put(b, d->seed, sizeof(d->seed));
        buffer_put_prefixed(b, d->network);
        buffer_put_u8(b, (uint8_t) d->data_class);
        return DESCRIPTOR_OK;
}

/* What a host commits to: digests, tags, and the builder. */

#include "common/canonical/answer.h"

#include "common/base/error.h"
#include "common/canonical/outcome.h"

const struct merkle_names answer_sequence_names = { "quorate.leaf.1", "quorate.node.1" };

struct hash_value answer_hash(enum answer_form form, const struct hash_value *schema_digest,
                              uint64_t rows, const struct hash_value *body) {
        uint8_t head[2] = { ANSWER_VERSION, (uint8_t) form }, count[8];
        struct hash h;

        store_be64(count, rows);
        hash_begin(&h, "quorate.answer.1");
        hash_update(&h, head, sizeof(head));
        hash_update_bytes(&h, hash_bytes(schema_digest));
        hash_update(&h, count, sizeof(count));
        hash_update_bytes(&h, hash_bytes(body));
        return hash_end(&h);
}

static struct hash_value root_of_nothing(void) {
        struct merkle m;

        merkle_init(&m, &answer_sequence_names);
        return merkle_root(&m);
}

bool answer_of_error(uint32_t code, uint32_t position, const struct hash_value *schema_digest,
                     struct answer *ret) {
        uint8_t plain[6];
        struct hash_value body;

        if (!sql_error_name(code) || (position != 0 && !sql_error_has_position(code)))
                return false;
        plain[0] = (uint8_t) (code >> 8);
        plain[1] = (uint8_t) code;
        store_be32(plain + 2, position);
        body = hash_of("quorate.error.1", BYTES_OF(plain));
        *ret = (struct answer){
                .form = ANSWER_ERROR,
                .error = code,
                .position = position,
                .hash = answer_hash(ANSWER_ERROR, schema_digest, 0, &body),
                .sequence_root = root_of_nothing(),
        };
        return true;
}

struct hash_value answer_tag(const struct hash_value *salt, const struct answer *a) {
        return hash_keyed(hash_bytes(salt), hash_bytes(&a->hash));
}

struct hash_value answer_result_tag(const struct hash_value *salt, const struct answer *a) {
        uint8_t plain[HASH_SIZE + 3 * 8];

        memcpy(plain, a->sequence_root.bytes, HASH_SIZE);
        store_be64(plain + HASH_SIZE, a->batches);
        store_be64(plain + HASH_SIZE + 8, a->rows);
        store_be64(plain + HASH_SIZE + 16, a->bytes);
        return hash_keyed(hash_bytes(salt), BYTES_OF(plain));
}

void answer_begin(struct answer_builder *b, enum answer_form form,
                  const struct hash_value *schema_digest, const struct answer_limits *limits,
                  struct budget *budget) {
        check(form == ANSWER_SET || form == ANSWER_SEQUENCE);
        *b = (struct answer_builder){
                .set.budget = budget,
                .schema_digest = *schema_digest,
                .limits = *limits,
                .form = form,
        };
        batch_init(&b->batch);
        merkle_init(&b->sequence, &answer_sequence_names);
}

void answer_done(struct answer_builder *b) {
        batch_done(&b->batch);
        digest_set_done(&b->set);
}

/* One build gives its rows in one order, so their sequence can be compared instead. */
static int leave_set(struct answer_builder *b) {
        if (!b->limits.sequence_beyond)
                return BATCH_E_SET_ROWS;
        b->form = ANSWER_SEQUENCE;
        digest_set_done(&b->set);
        return BATCH_OK;
}

static int count_row(struct answer_builder *b, struct bytes row) {
        struct hash_value digest;

        b->rows++;
        b->bytes += row.len;
        if ((b->limits.rows && b->rows > b->limits.rows) ||
            (b->limits.bytes && b->bytes > b->limits.bytes))
                return BATCH_E_LIMIT;
        if (b->form != ANSWER_SET)
                return BATCH_OK;
        if (b->rows > ANSWER_SET_ROWS)
                return leave_set(b);
        digest = row_digest(row);
        return digest_set_add(&b->set, &digest);
}

int answer_end_row(struct answer_builder *b) {
        const struct buffer *bytes = &b->batch.bytes;
        size_t start = b->batch.row_start;
        int result = batch_end_row(&b->batch), counted;

        if (result != BATCH_OK && result != BATCH_READY)
                return result;
        counted = count_row(b, BYTES(bytes->data + start, bytes->len - start));
        return counted ? counted : result;
}

int answer_finish(struct answer_builder *b) {
        return batch_finish(&b->batch);
}

struct bytes answer_batch(const struct answer_builder *b) {
        return batch_ready(&b->batch);
}

struct hash_value answer_next(struct answer_builder *b) {
        struct hash_value digest = batch_digest(batch_ready(&b->batch));

        merkle_add(&b->sequence, hash_bytes(&digest));
        b->batches++;
        batch_next(&b->batch);
        return digest;
}

void answer_result(struct answer_builder *b, struct answer *ret) {
        struct hash_value root = merkle_root(&b->sequence), body = root;

        check(b->batch.bytes.len == 0);
        if (b->form == ANSWER_SET)
                body = digest_set_hash(&b->set);
        *ret = (struct answer){
                .form = b->form,
                .hash = answer_hash(b->form, &b->schema_digest, b->rows, &body),
                .sequence_root = root,
                .batches = b->batches,
                .rows = b->rows,
                .bytes = b->bytes,
        };
}

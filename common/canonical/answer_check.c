/* The receiver's side of an answer: no row counts that is not covered. */

#include <stdlib.h>

#include "common/base/memory.h"
#include "common/canonical/answer.h"

const char *check_result_text(int result) {
        static const char *const texts[] = {
                [CHECK_OK] = "matches",
                [CHECK_E_DIGESTS] = "the batch digests do not give the signed root",
                [CHECK_E_BATCH] = "not the batch that was committed",
                [CHECK_E_CELL] = "not in canonical form, or not of the declared type",
                [CHECK_E_COUNT] = "another number of rows, bytes or batches than committed",
                [CHECK_E_ROOT] = "the rows do not give the signed root",
                [CHECK_E_ANSWER] = "the rows do not give the signed answer",
                [CHECK_E_LIMIT] = "more than the budget allows",
        };

        return result >= 0 && (size_t) result < ELEMENTSOF(texts) ? texts[result] : "failed";
}

void answer_check_begin(struct answer_checker *c, const struct answer *want,
                        const struct schema *schema, bool root_is_checked, struct budget *budget) {
        *c = (struct answer_checker){
                .schema = schema,
                .want = *want,
                .set.budget = budget,
                .budget = budget,
                .cells = xnew_n(struct cell, schema->n_columns),
                .root_is_checked = root_is_checked,
        };
        merkle_init(&c->sequence, &answer_sequence_names);
}

void answer_check_done(struct answer_checker *c) {
        if (c->digests && c->budget)
                budget_give(c->budget, c->want.batches * HASH_SIZE);
        free(c->digests);
        free(c->cells);
        digest_set_done(&c->set);
        *c = (struct answer_checker){};
}

int answer_check_digests(struct answer_checker *c, struct bytes digests) {
        struct merkle m;
        struct hash_value root;

        if (!c->root_is_checked || c->digests || c->batches > 0 || digests.len % HASH_SIZE != 0 ||
            digests.len / HASH_SIZE != c->want.batches)
                return CHECK_E_DIGESTS;
        merkle_init(&m, &answer_sequence_names);
        for (size_t i = 0; i < digests.len; i += HASH_SIZE)
                merkle_add(&m, BYTES(digests.data + i, HASH_SIZE));
        root = merkle_root(&m);
        if (!hash_equal(&root, &c->want.sequence_root))
                return CHECK_E_DIGESTS;
        if (c->budget && budget_take(c->budget, digests.len))
                return CHECK_E_LIMIT;
        c->digests = xmemdup(digests.data, digests.len);
        return CHECK_OK;
}

static int check_rows(struct answer_checker *c, struct bytes batch, uint64_t *ret_rows) {
        bool is_set = c->want.form == ANSWER_SET;
        struct batch_reader reader;
        struct hash_value digest;
        struct bytes row;
        int result;

        batch_read(&reader, c->schema, batch);
        while ((result = batch_read_row(&reader, c->cells, &row)) == BATCH_OK) {
                if (reader.n_rows > c->want.rows - c->rows)
                        return CHECK_E_COUNT;
                if (!is_set)
                        continue;
                digest = row_digest(row);
                if (digest_set_add(&c->set, &digest))
                        return CHECK_E_LIMIT;
        }
        *ret_rows = reader.n_rows;
        if (result == BATCH_READY)
                return CHECK_OK;
        c->column = reader.column;
        c->cell_result = reader.result;
        return CHECK_E_CELL;
}

int answer_check_batch(struct answer_checker *c, struct bytes batch) {
        struct hash_value digest;
        uint64_t rows = 0;
        int result;

        if (c->want.form == ANSWER_ERROR || (c->root_is_checked && c->batches >= c->want.batches))
                return CHECK_E_BATCH;
        if (batch.len > c->want.bytes - c->bytes)
                return CHECK_E_COUNT;
        digest = batch_digest(batch);
        if (c->digests && !hash_equal(&digest, &c->digests[c->batches]))
                return CHECK_E_BATCH;
        result = check_rows(c, batch, &rows);
        if (result)
                return result;
        merkle_add(&c->sequence, hash_bytes(&digest));
        c->batches++;
        c->rows += rows;
        c->bytes += batch.len;
        return CHECK_OK;
}

int answer_check_batch_rows(struct answer_checker *c, struct bytes batch, answer_row_fn fn,
                            void *userdata) {
        int result = answer_check_batch(c, batch);
        struct batch_reader reader;

        if (result)
                return result;
        batch_read(&reader, c->schema, batch);
        while (batch_read_row(&reader, c->cells, NULL) == BATCH_OK)
                fn(userdata, c->cells, c->schema->n_columns);
        return CHECK_OK;
}

static bool is_answer(const struct answer_checker *c, const struct hash_value *body) {
        struct hash_value hash = answer_hash(c->want.form, &c->schema->digest, c->rows, body);

        return hash_equal(&hash, &c->want.hash);
}

static int check_error(struct answer_checker *c, const struct hash_value *root) {
        struct answer again;

        if (!hash_equal(root, &c->want.sequence_root))
                return CHECK_E_ROOT;
        if (!answer_of_error(c->want.error, c->want.position, &c->schema->digest, &again))
                return CHECK_E_ANSWER;
        return hash_equal(&again.hash, &c->want.hash) ? CHECK_OK : CHECK_E_ANSWER;
}

int answer_check_end(struct answer_checker *c) {
        struct hash_value body = merkle_root(&c->sequence);

        if (c->rows != c->want.rows || c->bytes != c->want.bytes)
                return CHECK_E_COUNT;
        if (c->want.form == ANSWER_ERROR)
                return check_error(c, &body);
        if (c->root_is_checked && c->batches != c->want.batches)
                return CHECK_E_COUNT;
        if (c->root_is_checked && !hash_equal(&body, &c->want.sequence_root))
                return CHECK_E_ROOT;
        if (c->want.form == ANSWER_SET) {
                body = digest_set_hash(&c->set);
                digest_set_done(&c->set); /* 32 MiB, and the rows may take long to leave */
        }
        return is_answer(c, &body) ? CHECK_OK : CHECK_E_ANSWER;
}

#pragma once

/* What a host commits to, and the check of it by whoever receives the rows
 * (README.md, "Answer"). The builder is fed rows, the checker foreign batches;
 * neither keeps rows. Pure. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/budget.h"
#include "common/base/bytes.h"
#include "common/canonical/batch.h"
#include "common/crypto/hash.h"
#include "common/crypto/merkle.h"

#define ANSWER_VERSION  1
#define ANSWER_SET_ROWS (1u << 20) /* more rows than this are never a SET */

enum answer_form { ANSWER_SET = 1, ANSWER_SEQUENCE, ANSWER_ERROR };

/* The plain values behind a commit's two tags. */
struct answer {
        enum answer_form form;
        uint32_t error, position; /* ERROR: enum sql_error, byte offset in the SQL */
        struct hash_value hash;   /* the answer itself: what voters agree on */
        struct hash_value sequence_root;
        uint64_t batches, rows, bytes;
};

/* The names of a sequence root's tree. */
extern const struct merkle_names answer_sequence_names;

struct hash_value answer_hash(enum answer_form form, const struct hash_value *schema_digest,
                              uint64_t rows, const struct hash_value *body);
/* form 3: no rows, the root of no batches. False: code or position not in the closed table. */
bool answer_of_error(uint32_t code, uint32_t position, const struct hash_value *schema_digest,
                     struct answer *ret);
/* Keyed with the job's salt. */
struct hash_value answer_tag(const struct hash_value *salt, const struct answer *a);
struct hash_value answer_result_tag(const struct hash_value *salt, const struct answer *a);

/* Row digests of a SET, charged 32 bytes each. */
struct digest_set {
        struct hash_value *digests;
        size_t n, capacity;
        struct budget *budget; /* or NULL */
};
int digest_set_add(struct digest_set *s, const struct hash_value *d); /* BATCH_OK, BATCH_E_BUDGET */
struct hash_value digest_set_hash(struct digest_set *s);              /* sorts */
void digest_set_done(struct digest_set *s);

struct answer_limits {
        uint64_t rows, bytes; /* of the job; 0: none */
        bool sequence_beyond; /* comparison `class`: row 2^20 + 1 turns a SET into a SEQUENCE */
};

/* Host side. Write a row's cells into answer_row(), then answer_end_row(). On
 * BATCH_READY take answer_batch() (to the spool), then answer_next(). */
struct answer_builder {
        struct batch_builder batch;
        struct merkle sequence;
        struct digest_set set; /* used when form is SET */
        struct hash_value schema_digest;
        struct answer_limits limits;
        enum answer_form form;
        uint64_t rows, bytes, batches;
};

void answer_begin(struct answer_builder *b, enum answer_form form,
                  const struct hash_value *schema_digest, const struct answer_limits *limits,
                  struct budget *budget);
void answer_done(struct answer_builder *b);
static inline struct buffer *answer_row(struct answer_builder *b) {
        return &b->batch.bytes;
}
/* BATCH_OK, BATCH_READY, BATCH_E_ROW, or BATCH_E_LIMIT, _SET_ROWS, _BUDGET: the
 * job cannot go on, and nothing may be committed but an error. */
int answer_end_row(struct answer_builder *b);
int answer_finish(struct answer_builder *b); /* after the last row: BATCH_OK or BATCH_READY */
struct bytes answer_batch(const struct answer_builder *b); /* valid until answer_next() */
struct hash_value answer_next(struct answer_builder *b);   /* returns the digest of that batch */
/* When everything was taken. */
void answer_result(struct answer_builder *b, struct answer *ret);

/* Receiver's side. With known batch digests (answer_check_digests()) a batch
 * that answers CHECK_OK is covered by the root as it arrives; without them
 * nothing is covered until answer_check_end() says CHECK_OK. */
enum check_result {
        CHECK_OK = 0,
        CHECK_E_DIGESTS, /* another number of them, or they do not fold to the root */
        CHECK_E_BATCH,   /* not the batch with this index, or past the last one */
        CHECK_E_CELL,    /* not canonical, not of the declared type, no proper batch */
        CHECK_E_COUNT,   /* rows, bytes or batches differ from what was committed */
        CHECK_E_ROOT,    /* the end: another sequence root */
        CHECK_E_ANSWER,  /* the end: another answer */
        CHECK_E_LIMIT,   /* the budget refused */
};
const char *check_result_text(int result);

struct answer_checker {
        const struct schema *schema;
        struct answer want;
        struct hash_value *digests; /* want.batches of them, NULL when not known */
        struct merkle sequence;
        struct digest_set set;
        struct budget *budget; /* or NULL */
        uint64_t batches, rows, bytes;
        struct cell *cells;   /* one row */
        size_t column;        /* CHECK_E_CELL: where */
        int cell_result;      /* CHECK_E_CELL: enum cell_result */
        bool root_is_checked; /* rows are compared with want.sequence_root */
};

/* root_is_checked false: only the SET answers agreed, roots and batch counts of
 * the voters differ. schema must outlive the checker. */
void answer_check_begin(struct answer_checker *c, const struct answer *want,
                        const struct schema *schema, bool root_is_checked, struct budget *budget);
void answer_check_done(struct answer_checker *c);

/* All batch digests, 32 bytes each, before the first batch. */
int answer_check_digests(struct answer_checker *c, struct bytes digests);
/* The next batch. On CHECK_OK its bytes may be parsed without further checks.
 * CHECK_E_BATCH leaves the checker as it was: with known digests another host may
 * send that batch again. After any other answer it is to be abandoned. */
int answer_check_batch(struct answer_checker *c, struct bytes batch);
/* The same, and `fn` sees every row; cells are views into the batch. */
typedef void (*answer_row_fn)(void *userdata, const struct cell *cells, size_t n_cells);
int answer_check_batch_rows(struct answer_checker *c, struct bytes batch, answer_row_fn fn,
                            void *userdata);
int answer_check_end(struct answer_checker *c);

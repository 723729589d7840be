#include "services/coordinator/faults.h"

#include "common/base/memory.h"
#include "common/canonical/schema.h"

const char *const fault_mode_names[] = {
        [FAULT_NONE] = "none",
        [FAULT_WRONG_RESULT] = "wrong_result",
        [FAULT_COLLUDE] = "collude",
        [FAULT_WRONG_ROWS] = "wrong_rows",
        [FAULT_WRONG_ROOT] = "wrong_root",
        [FAULT_WRONG_SCHEMA] = "wrong_schema",
        [FAULT_STALL] = "stall",
        [FAULT_SLOW] = "slow",
        [FAULT_CRASH] = "crash",
        [FAULT_GARBAGE] = "garbage",
        [FAULT_EQUIVOCATE] = "equivocate",
        [FAULT_WRONG_PACK] = "wrong_pack",
        [_FAULT_N] = NULL,
};

#if COORDINATOR_FAULTS

/* Whose error it is: a peer id, or for colluders what they agreed on beforehand. */
static struct bytes author(const struct faults *f) {
        return f->mode == FAULT_COLLUDE ? BYTES_LIT("colluders") : peer_id_bytes(&f->self);
}

static void twist(struct hash_value *h, const struct faults *f) {
        *h = hash_of2("quorate.fault.1", author(f), hash_bytes(h));
}

/* In a SEQUENCE the sequence root is the body of the answer, so that a host that
 * serves rows of its own there commits to another answer as well. */
static bool changes_answer(const struct faults *f, const struct answer *a) {
        return f->mode == FAULT_WRONG_RESULT || f->mode == FAULT_COLLUDE ||
               f->mode == FAULT_WRONG_SCHEMA ||
               (f->mode == FAULT_WRONG_ROOT && a->form == ANSWER_SEQUENCE);
}

static bool changes_root(const struct faults *f) {
        return f->mode == FAULT_WRONG_RESULT || f->mode == FAULT_COLLUDE ||
               f->mode == FAULT_WRONG_ROOT;
}

/* A liar's SEQUENCE is one in form: only the vote tells that it is another. */
static void twist_answer(const struct faults *f, struct bytes schema, struct answer *a) {
        struct hash_value digest = schema_digest(schema);

        if (a->form != ANSWER_SEQUENCE) {
                twist(&a->hash, f);
                return;
        }
        if (f->mode == FAULT_WRONG_SCHEMA)
                twist(&digest, f);
        else
                twist(&a->sequence_root, f);
        a->hash = answer_hash(ANSWER_SEQUENCE, &digest, a->rows, &a->sequence_root);
}

void faults_answer(const struct faults *f, struct bytes schema, struct answer *a) {
        if (changes_answer(f, a))
                twist_answer(f, schema, a);
        if (changes_root(f) && a->form != ANSWER_SEQUENCE)
                twist(&a->sequence_root, f);
}

bool faults_second_answer(const struct faults *f, struct bytes schema, struct answer *a) {
        if (f->mode != FAULT_EQUIVOCATE)
                return false;
        twist_answer(f, schema, a);
        return true;
}

void faults_batch(const struct faults *f, uint8_t *data, size_t len) {
        bool lies = f->mode == FAULT_WRONG_ROWS || changes_root(f);

        if (lies && len > 0)
                data[len - 1] ^= 1;
}

void faults_packed(const struct faults *f, uint64_t *length) {
        *length += f->mode == FAULT_WRONG_PACK;
}

bool faults_garbage(const struct faults *f) {
        return f->mode == FAULT_GARBAGE;
}

bool faults_silent(const struct faults *f) {
        return f->mode == FAULT_STALL;
}

bool faults_crash(const struct faults *f) {
        return f->mode == FAULT_CRASH;
}

nsec_t faults_delay(const struct faults *f) {
        return f->mode == FAULT_SLOW ? FAULT_DELAY : 0;
}

#endif

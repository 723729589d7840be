#include "common/canonical/statement.h"

#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/wire/peerid.h"
#include "common/wire/varint.h"

/* The kind's name and the zero byte belong to the prefix. */
static const struct bytes prefixes[] = {
        [STATEMENT_DISPATCH] = BYTES_LIT(STATEMENT_PREFIX "dispatch\0"),
        [STATEMENT_COMMIT] = BYTES_LIT(STATEMENT_PREFIX "commit\0"),
        [STATEMENT_VERDICT] = BYTES_LIT(STATEMENT_PREFIX "verdict\0"),
};

static bool is_text(struct bytes v) {
        return v.len <= STATEMENT_TEXT_MAX && utf8_is_valid(v);
}

static bool is_peer(struct bytes v) {
        return v.len > 0 && v.len <= STATEMENT_PEER_MAX;
}

static bool dispatch_is_good(const struct dispatch_statement *s) {
        return is_peer(s->host) && s->ticket.len > 0 && s->ticket.len <= STATEMENT_TICKET_MAX &&
               s->run <= 1;
}

static bool commit_is_good(const struct commit_statement *s) {
        return is_peer(s->host) && s->run <= 1 && is_text(s->engine_class);
}

static bool verdict_is_good(const struct verdict_statement *s) {
        bool quorum_fits = s->quorum >= 1 && s->quorum <= s->replicas;

        for (size_t i = 0; i < s->n_facts && i < STATEMENT_FACTS_MAX; i++)
                if (!is_text(s->facts[i].name) || !is_text(s->facts[i].value))
                        return false;
        return is_peer(s->host) && s->verdict && verdict_name(s->verdict) && s->state &&
               result_state_name(s->state) && s->mode && query_mode_name(s->mode) &&
               (quorum_fits || s->mode == MODE_FAST) && is_text(s->voter_group) &&
               s->n_facts <= STATEMENT_FACTS_MAX && s->n_evidence <= STATEMENT_EVIDENCE_MAX;
}

static void put_head(struct buffer *b, enum statement_kind kind, const struct hash_value *job,
                     struct bytes host) {
        buffer_put_bytes(b, prefixes[kind]);
        buffer_put_bytes(b, hash_bytes(job));
        buffer_put_prefixed(b, host);
}

int dispatch_encode(const struct dispatch_statement *s, struct buffer *b) {
        if (!dispatch_is_good(s))
                return STATEMENT_E_FIELD;
        put_head(b, STATEMENT_DISPATCH, &s->job, s->host);
        buffer_put_prefixed(b, s->ticket);
        buffer_put_u8(b, s->run);
        return STATEMENT_OK;
}

int commit_encode(const struct commit_statement *s, struct buffer *b) {
        if (!commit_is_good(s))
                return STATEMENT_E_FIELD;
        put_head(b, STATEMENT_COMMIT, &s->job, s->host);
        buffer_put_u8(b, s->run);
        buffer_put_prefixed(b, s->engine_class);
        buffer_put_bytes(b, hash_bytes(&s->answer_tag));
        buffer_put_bytes(b, hash_bytes(&s->result_tag));
        return STATEMENT_OK;
}

int verdict_encode(const struct verdict_statement *s, struct buffer *b) {
        if (!verdict_is_good(s))
                return STATEMENT_E_FIELD;
        put_head(b, STATEMENT_VERDICT, &s->job, s->host);
        buffer_put_u8(b, (uint8_t) s->verdict);
        buffer_put_u8(b, (uint8_t) s->state);
        buffer_put_u8(b, (uint8_t) s->mode);
        buffer_put_u8(b, s->replicas);
        buffer_put_u8(b, s->quorum);
        buffer_put_prefixed(b, s->voter_group);
        buffer_put_varint(b, s->n_facts);
        for (size_t i = 0; i < s->n_facts; i++) {
                buffer_put_prefixed(b, s->facts[i].name);
                buffer_put_prefixed(b, s->facts[i].value);
                buffer_put_u8(b, s->facts[i].measured);
        }
        buffer_put_varint(b, s->n_evidence);
        for (size_t i = 0; i < s->n_evidence; i++)
                buffer_put_bytes(b, hash_bytes(&s->evidence[i]));
        buffer_put_u64(b, (uint64_t) s->time_us);
        buffer_put_u64(b, s->started_us);
        buffer_put_u64(b, s->committed_us);
        buffer_put_u64(b, s->ended_us);
        return STATEMENT_OK;
}

static struct reader read_head(struct bytes v, enum statement_kind kind, struct hash_value *ret_job,
                               struct bytes *ret_host) {
        struct reader r = reader_of(v);

        if (v.len > STATEMENT_BYTES_MAX || statement_kind_of(v) != kind) {
                r.failed = true;
                return r;
        }
        reader_take(&r, prefixes[kind].len);
        reader_copy(&r, ret_job->bytes, HASH_SIZE);
        *ret_host = reader_prefixed(&r);
        return r;
}

static int finish(const struct reader *r, bool good) {
        if (!reader_done(r))
                return STATEMENT_E_FORMAT;
        return good ? STATEMENT_OK : STATEMENT_E_FIELD;
}

int dispatch_decode(struct bytes v, struct dispatch_statement *ret) {
        struct reader r;

        *ret = (struct dispatch_statement){};
        r = read_head(v, STATEMENT_DISPATCH, &ret->job, &ret->host);
        ret->ticket = reader_prefixed(&r);
        ret->run = reader_u8(&r);
        return finish(&r, dispatch_is_good(ret));
}

int commit_decode(struct bytes v, struct commit_statement *ret) {
        struct reader r;

        *ret = (struct commit_statement){};
        r = read_head(v, STATEMENT_COMMIT, &ret->job, &ret->host);
        ret->run = reader_u8(&r);
        ret->engine_class = reader_prefixed(&r);
        reader_copy(&r, ret->answer_tag.bytes, HASH_SIZE);
        reader_copy(&r, ret->result_tag.bytes, HASH_SIZE);
        return finish(&r, commit_is_good(ret));
}

static void read_facts(struct reader *r, struct verdict_statement *ret) {
        ret->n_facts = (size_t) reader_varint(r);
        if (ret->n_facts > STATEMENT_FACTS_MAX)
                r->failed = true;
        for (size_t i = 0; i < ret->n_facts && !r->failed; i++) {
                struct statement_fact *fact = &ret->facts[i];
                uint8_t measured;

                fact->name = reader_prefixed(r);
                fact->value = reader_prefixed(r);
                measured = reader_u8(r);
                fact->measured = measured == 1;
                if (measured > 1)
                        r->failed = true;
        }
}

static void read_evidence(struct reader *r, struct verdict_statement *ret) {
        ret->n_evidence = (size_t) reader_varint(r);
        if (ret->n_evidence > STATEMENT_EVIDENCE_MAX)
                r->failed = true;
        for (size_t i = 0; i < ret->n_evidence && !r->failed; i++)
                reader_copy(r, ret->evidence[i].bytes, HASH_SIZE);
}

int verdict_decode(struct bytes v, struct verdict_statement *ret) {
        struct reader r;

        *ret = (struct verdict_statement){};
        r = read_head(v, STATEMENT_VERDICT, &ret->job, &ret->host);
        ret->verdict = reader_u8(&r);
        ret->state = reader_u8(&r);
        ret->mode = reader_u8(&r);
        ret->replicas = reader_u8(&r);
        ret->quorum = reader_u8(&r);
        ret->voter_group = reader_prefixed(&r);
        read_facts(&r, ret);
        read_evidence(&r, ret);
        ret->time_us = (int64_t) reader_u64(&r);
        ret->started_us = reader_u64(&r);
        ret->committed_us = reader_u64(&r);
        ret->ended_us = reader_u64(&r);
        return finish(&r, verdict_is_good(ret));
}

enum statement_kind statement_kind_of(struct bytes v) {
        for (size_t i = STATEMENT_DISPATCH; i < ELEMENTSOF(prefixes); i++)
                if (v.len >= prefixes[i].len &&
                    bytes_equal(BYTES(v.data, prefixes[i].len), prefixes[i]))
                        return i;
        return 0;
}

struct hash_value statement_digest(struct bytes statement) {
        return hash_of("quorate.stmt.1", statement);
}

bool statement_verify(const struct signed_statement *s) {
        return sign_verify(&s->key, s->bytes, s->signature);
}

bool commit_verify(const struct signed_statement *s, struct commit_statement *ret) {
        struct peer_id host = peer_id_from_ed25519(&s->key);

        return commit_decode(s->bytes, ret) == STATEMENT_OK &&
               bytes_equal(ret->host, peer_id_bytes(&host)) && statement_verify(s);
}

int fault_proof_check(const struct signed_statement *a, const struct signed_statement *b) {
        struct commit_statement x, y;

        if (!commit_verify(a, &x) || !commit_verify(b, &y))
                return FAULT_E_INVALID;
        if (!hash_equal(&x.job, &y.job) || !bytes_equal(x.host, y.host) || x.run != y.run)
                return FAULT_E_OTHER_JOB;
        return hash_equal(&x.answer_tag, &y.answer_tag) ? FAULT_E_SAME : FAULT_PROVED;
}

/* What requesters say of our commits. Their signed bytes are kept verbatim beside the
 * commit they judge: what others hear of us can be checked against it. */

#include "common/canonical/statement.h"
#include "common/wire/unpack.h"
#include "proto/journal.pb-c.h"
#include "services/coordinator/host.h"

#define HEARD_MAX (24u << 10) /* a commit and a statement, each at most 8 KiB */

enum hearing {
        HEARD_NEW = 0, /* journalled */
        HEARD_LATER,   /* once its commit is read back */
        HEARD_BEFORE,
        HEARD_UNKNOWN, /* of no commit we remember: not the requester's fault */
        HEARD_OVER,    /* this commit was judged often enough */
        HEARD_BAD,     /* no verdict, or of another host, or not signed by this peer */
        _HEARING_N,
};

static struct bytes pb(const ProtobufCBinaryData *v) {
        return (struct bytes){ v->data, v->len };
}

/* ---- Whose commit ---- */

static bool names_it(const struct verdict_statement *s, const struct record *record) {
        for (size_t i = 0; i < s->n_evidence; i++)
                if (record_digest(&s->evidence[i]) == record->statement)
                        return true;
        return false;
}

/* By the whole digest where the commit is here, and it is before anything is kept. */
static bool rests_on(const struct verdict_statement *s, const struct record *record) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        const Grid__Commit *commit;
        struct hash_value digest;

        if (record->state != RECORD_SIGNED || !names_it(s, record))
                return false;
        if (!record->commit)
                return true;
        if (wire_unpack(&grid__commit__descriptor, record_commit(record), NULL, &u))
                return false;
        commit = u.message;
        digest = statement_digest(pb(&commit->statement));
        for (size_t i = 0; i < s->n_evidence; i++)
                if (hash_equal(&s->evidence[i], &digest))
                        return true;
        return false;
}

/* The record of the commit it rests on: of run 0, or of the re-check. */
static struct record *judged(struct host_job *j, const struct verdict_statement *s) {
        for (uint32_t run = 0; run <= 1; run++) {
                const struct record_key key = { j->peer->id, s->job, run };
                struct record *record = records_find(j->host->records, &key);

                if (record && rests_on(s, record))
                        return record;
        }
        return NULL;
}

static bool was_heard(const struct record *record, const struct hash_value *digest) {
        for (unsigned i = 0; i < record->n_verdicts; i++)
                if (record->verdicts[i] == record_digest(digest))
                        return true;
        return false;
}

/* ---- Keeping it ---- */

static void journal(struct host_job *j, const struct record *record, const Grid__Verdict *in,
                    uint64_t id, nsec_t now) {
        const struct record_key key = record_key(record);
        const struct bytes commit = record_commit(record);
        Journal__HeardVerdict out = JOURNAL__HEARD_VERDICT__INIT;
        CLEANUP(buffer_donep) struct buffer b = {};
        struct action *a = actions_add(j->host->core->actions, ACTION_JOURNAL, id);

        out.requester = (ProtobufCBinaryData){ key.requester.len, (uint8_t *) key.requester.bytes };
        out.job = (ProtobufCBinaryData){ HASH_SIZE, (uint8_t *) key.job.bytes };
        out.run = key.run;
        out.time_us = core_wall_us(j->host->core, now);
        out.commit = (ProtobufCBinaryData){ commit.len, (uint8_t *) commit.data };
        out.statement = in->statement;
        out.signature = in->signature;
        buffer_init(&b, HEARD_MAX);
        wire_pack(&b, &out.base);
        a->hash = key.job;
        a->n = JOURNAL_HEARD;
        a->data = refbuf_new(buffer_bytes(&b));
}

static void count(struct host_counters *c, enum verdict verdict) {
        c->verdicts_kept++;
        if (verdict == VERDICT_CORRECT)
                c->verdicts_correct++;
        else if (verdict_is_fault(verdict))
                c->verdicts_fault++;
        else
                c->verdicts_other++;
}

static bool is_alone(const struct host_job *j) {
        return j->state == HOST_NEW || j->state == HOST_HEARING;
}

static bool is_signed(const struct host_job *j, const Grid__Verdict *in) {
        struct sign_public key;

        return peer_id_ed25519(&j->peer->id, &key) &&
               j->host->core->verify(&key, pb(&in->statement), pb(&in->signature));
}

/* The commit is not in memory: what was said waits for it, one on a stream at a time. */
static enum hearing wait_for_commit(struct host_job *j, const struct record *record,
                                    const Grid__Verdict *in) {
        const struct record_key key = record_key(record);

        if (j->recall || budget_take(&j->peer->memory, in->statement.len + in->signature.len))
                return HEARD_OVER;
        buffer_init(&j->heard.statement, HEARD_MAX);
        buffer_init(&j->heard.signature, HEARD_MAX);
        buffer_put_bytes(&j->heard.statement, pb(&in->statement));
        buffer_put_bytes(&j->heard.signature, pb(&in->signature));
        j->heard.key = key;
        host_recall(j, &key);
        return HEARD_LATER;
}

void host_unhear(struct host_job *j) {
        budget_give(&j->peer->memory, j->heard.statement.len + j->heard.signature.len);
        buffer_done(&j->heard.statement);
        buffer_done(&j->heard.signature);
}

/* Cheap checks first: the signature is looked at once per verdict that would be kept. */
static enum hearing hear(struct host_job *j, const Grid__Verdict *in, nsec_t now) {
        struct hash_value digest = statement_digest(pb(&in->statement));
        struct verdict_statement s;
        struct record *record;

        if (verdict_decode(pb(&in->statement), &s) ||
            !bytes_equal(s.host, peer_id_bytes(&j->host->core->self)))
                return HEARD_BAD;
        record = judged(j, &s);
        if (!record)
                return HEARD_UNKNOWN;
        if (was_heard(record, &digest))
                return HEARD_BEFORE;
        if (record->n_verdicts >= RECORD_VERDICTS)
                return HEARD_OVER;
        if (!is_signed(j, in))
                return HEARD_BAD;
        if (!record->commit)
                return wait_for_commit(j, record, in);
        record->verdicts[record->n_verdicts++] = record_digest(&digest);
        if (is_alone(j)) {
                j->heard.key = record_key(record);
                j->heard.digest = digest;
                j->journal = host_id(j);
        }
        journal(j, record, in, is_alone(j) ? j->journal : 0, now);
        count(&j->host->counters, s.verdict);
        return HEARD_NEW;
}

/* ---- Alone on its stream ---- */

/* Our end of the stream says that there is nothing to send again. */
static void acknowledge(struct host_job *j, nsec_t now) {
        host_job_stop(j);
        lane_finish(&j->lane);
        host_touch(j, now);
}

static void unsay(struct host_job *j) {
        struct record *record = records_find(j->host->records, &j->heard.key);
        uint8_t n = 0;

        for (unsigned i = 0; record && i < record->n_verdicts; i++)
                if (record->verdicts[i] != record_digest(&j->heard.digest))
                        record->verdicts[n++] = record->verdicts[i];
        if (record)
                record->n_verdicts = n;
}

/* Not on disk: the requester tries again. */
void host_heard(struct host_job *j, bool ok, nsec_t now) {
        if (ok) {
                acknowledge(j, now);
                return;
        }
        unsay(j);
        lane_reset(&j->lane);
}

static bool may_speak(struct host_job *j, nsec_t now) {
        if (j->state != HOST_NEW || !host_peer_rate(j->host->peers, j->peer, now))
                return true;
        j->host->counters.quota++;
        return false;
}

static void answer(struct host_job *j, enum hearing r, nsec_t now) {
        struct host_counters *c = &j->host->counters;
        uint64_t *const counters[_HEARING_N] = { [HEARD_BEFORE] = &c->verdicts_repeated,
                                                 [HEARD_UNKNOWN] = &c->verdicts_unknown,
                                                 [HEARD_OVER] = &c->verdicts_over,
                                                 [HEARD_BAD] = &c->verdicts_bad };

        if (counters[r])
                ++*counters[r];
        if (r == HEARD_BAD) {
                host_event(j->host, EVENT_INFO, "verdict_bad", j);
                lane_reset(&j->lane);
        } else if (is_alone(j)) {
                if (r == HEARD_NEW || r == HEARD_LATER)
                        j->state = HOST_HEARING;
                else
                        acknowledge(j, now);
        }
}

void host_on_verdict(struct host_job *j, const Grid__JobMessage *m, nsec_t now) {
        if (may_speak(j, now)) {
                answer(j, hear(j, m->verdict, now), now);
                return;
        }
        lane_reset(&j->lane);
}

/* Into memory, for as long as it takes to keep the verdict beside it. */
static bool take_commit(struct host_job *j, struct bytes record_bytes) {
        struct record *record = records_find(j->host->records, &j->heard.key);
        CLEANUP(buffer_donep) struct buffer commit = {};
        struct hash_value statement;

        buffer_init(&commit, LANE_FRAME_MAX);
        return record && record->state == RECORD_SIGNED &&
               host_read_commit(record_bytes, &j->heard.key, &commit, &statement) &&
               record_recall(j->host->records, record, buffer_bytes(&commit)) && record->commit;
}

/* The one that judged() finds is the one that was recalled: nothing of it has changed. */
void host_heard_recalled(struct host_job *j, struct bytes record, nsec_t now) {
        Grid__Verdict in = GRID__VERDICT__INIT;
        enum hearing r = HEARD_UNKNOWN;

        in.statement = (ProtobufCBinaryData){ j->heard.statement.len, j->heard.statement.data };
        in.signature = (ProtobufCBinaryData){ j->heard.signature.len, j->heard.signature.data };
        if (take_commit(j, record))
                r = hear(j, &in, now);
        host_unhear(j);
        answer(j, r == HEARD_LATER ? HEARD_UNKNOWN : r, now);
}

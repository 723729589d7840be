/* What the host writes into the journal of what it signed, and reads back of it. */

#include "common/canonical/statement.h"
#include "common/wire/unpack.h"
#include "proto/journal.pb-c.h"
#include "services/coordinator/host.h"

/* By the kind of run. */
static const struct {
        enum journal_kind record, drop, horizon;
} kinds[RECORD_RUNS] = {
        { JOURNAL_HOST, JOURNAL_HOST_DROP, JOURNAL_HOST_HORIZON },
        { JOURNAL_RECHECK, JOURNAL_RECHECK_DROP, JOURNAL_RECHECK_HORIZON },
};

static struct action *journal(struct host *h, enum journal_kind kind, struct refbuf *data,
                              uint64_t id) {
        struct action *a = actions_add(h->core->actions, ACTION_JOURNAL, id);

        a->n = kind;
        a->data = data;
        return a;
}

static struct refbuf *pack(const Journal__HostRecord *m) {
        struct refbuf *packed = refbuf_alloc(journal__host_record__get_packed_size(m));

        journal__host_record__pack(m, packed->data);
        return packed;
}

/* Without the time of writing: what withdraws it has the same bytes. */
void host_journal(struct host *h, const struct record *record, bool is_dropped, uint64_t id) {
        enum journal_kind kind = is_dropped ? kinds[record->run].drop : kinds[record->run].record;
        const struct record_key key = record_key(record);
        const struct subnet *subnet = record_subnet(record);
        struct bytes commit = record_commit(record);
        Journal__HostRecord out = JOURNAL__HOST_RECORD__INIT;
        struct action *a;

        out.requester = (ProtobufCBinaryData){ key.requester.len, (uint8_t *) key.requester.bytes };
        out.job = (ProtobufCBinaryData){ HASH_SIZE, (uint8_t *) key.job.bytes };
        out.run = key.run;
        out.commit = (ProtobufCBinaryData){ commit.len, (uint8_t *) commit.data };
        out.subnet = (ProtobufCBinaryData){ subnet->len, (uint8_t *) subnet->bytes };
        out.job_time_us = record->job_time_us;
        a = journal(h, kind, pack(&out), id);
        a->hash = key.job;
        a->offset = (uint64_t) record->job_time_us;
}

void host_journal_birth(struct host *h, nsec_t now) {
        Journal__HostRecord out = JOURNAL__HOST_RECORD__INIT;

        out.time_us = core_wall_us(h->core, now);
        journal(h, JOURNAL_HOST, pack(&out), 0);
}

void host_journal_horizon(struct host *h, uint32_t run, nsec_t now) {
        Journal__HostHorizon out = JOURNAL__HOST_HORIZON__INIT;
        struct refbuf *packed;

        out.run = run;
        out.job_time_us = records_horizon(h->records, run);
        out.time_us = core_wall_us(h->core, now);
        packed = refbuf_alloc(journal__host_horizon__get_packed_size(&out));
        journal__host_horizon__pack(&out, packed->data);
        journal(h, kinds[run].horizon, packed, 0)->offset = (uint64_t) out.job_time_us;
}

/* ---- Commits that are not in memory ---- */

void host_recall(struct host_job *j, const struct record_key *key) {
        struct action *a;

        j->recall = host_id(j);
        a = actions_add(j->host->core->actions, ACTION_RECALL, j->recall);
        a->hash = key->job;
        a->n = kinds[key->run].record;
}

static struct bytes pb(const ProtobufCBinaryData *v) {
        return (struct bytes){ v->data, v->len };
}

bool host_read_commit(struct bytes record, const struct record_key *key, struct buffer *ret,
                      struct hash_value *ret_statement) {
        CLEANUP(unpacked_donep) struct unpacked u = {}, c = {};
        const Journal__HostRecord *in;
        const Grid__Commit *commit;

        if (wire_unpack(&journal__host_record__descriptor, record, NULL, &u))
                return false;
        in = u.message;
        if (in->commit.len == 0 || in->run != key->run ||
            !bytes_equal(pb(&in->requester), peer_id_bytes(&key->requester)) ||
            !bytes_equal(pb(&in->job), hash_bytes(&key->job)) ||
            wire_unpack(&grid__commit__descriptor, pb(&in->commit), NULL, &c))
                return false;
        commit = c.message;
        *ret_statement = statement_digest(pb(&commit->statement));
        buffer_put_bytes(ret, pb(&in->commit));
        return !ret->failed;
}

void host_commit_recalled(struct host_job *j, struct bytes record, nsec_t now) {
        const struct record_key key = record_key(j->record);
        CLEANUP(buffer_donep) struct buffer commit = {};
        struct hash_value statement;

        buffer_init(&commit, LANE_FRAME_MAX);
        if (!host_read_commit(record, &key, &commit, &statement)) {
                /* Its transaction failed: the disk was full. It is not signed again. */
                host_refuse_for(j, OUTCOME_STALE, "why=commit_was_not_kept");
        } else if (!record_recall(j->host->records, j->record, buffer_bytes(&commit))) {
                host_refuse_for(j, OUTCOME_LIMIT, "which=commits");
        } else {
                j->state = HOST_HELD;
                j->read = j->touched = now;
                host_send_recorded(j, now);
        }
}

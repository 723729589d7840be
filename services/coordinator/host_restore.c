/* What the journal says after a restart. Every doubt is decided against signing. */

#include "common/canonical/statement.h"
#include "common/wire/unpack.h"
#include "proto/journal.pb-c.h"
#include "services/coordinator/host.h"

#define HOUR_US (3600 * INT64_C(1000000))

/* A version that did not say the job time refused what was an hour ahead. */
static int64_t job_time_of(const Journal__HostRecord *in) {
        return in->job_time_us ? in->job_time_us : in->time_us + HOUR_US;
}

static bool read_key(const Journal__HostRecord *in, struct record_key *ret) {
        if (!peer_id_parse(BYTES(in->requester.data, in->requester.len), &ret->requester) ||
            in->job.len != HASH_SIZE || in->run >= RECORD_RUNS)
                return false;
        memcpy(ret->job.bytes, in->job.data, HASH_SIZE);
        ret->run = in->run;
        return true;
}

static struct subnet read_subnet(const Journal__HostRecord *in) {
        struct subnet s = {};

        if (in->subnet.len > 0 && in->subnet.len <= sizeof(s.bytes)) {
                s.len = (uint8_t) in->subnet.len;
                memcpy(s.bytes, in->subnet.data, in->subnet.len);
        }
        return s;
}

static bool sign(struct host *h, struct record *record, const struct record_key *key,
                 struct bytes record_bytes) {
        CLEANUP(buffer_donep) struct buffer commit = {};
        struct hash_value statement;

        buffer_init(&commit, LANE_FRAME_MAX);
        return host_read_commit(record_bytes, key, &commit, &statement) &&
               record_sign(h->records, record, buffer_bytes(&commit), &statement);
}

/* What was journalled without a commit may have been signed. */
static int restore_record(struct host *h, const Journal__HostRecord *in, struct bytes bytes) {
        struct subnet subnet = read_subnet(in);
        struct record_key key = {};
        struct record *record;

        if (in->requester.len == 0) {
                h->created_us = in->time_us > h->created_us ? in->time_us : h->created_us;
                return 0;
        }
        if (!read_key(in, &key))
                return 1;
        if (job_time_of(in) <= records_horizon(h->records, key.run))
                return 0;
        record = records_find(h->records, &key);
        if (!record)
                record = records_add(h->records, &key, &subnet, job_time_of(in));
        if (!record) { /* no room: as if it had been forgotten */
                records_raise(h->records, key.run, job_time_of(in));
                return 0;
        }
        if (record->state != RECORD_SIGNED)
                record_lose(h->records, record);
        return in->commit.len == 0 || sign(h, record, &key, bytes) ? 0 : 1;
}

static int restore_horizon(struct host *h, struct bytes bytes) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        const Journal__HostHorizon *in;

        if (wire_unpack(&journal__host_horizon__descriptor, bytes, NULL, &u))
                return 1;
        in = u.message;
        if (in->run >= RECORD_RUNS)
                return 1;
        records_raise(h->records, in->run, in->job_time_us);
        return 0;
}

/* What has a commit stays. */
static int restore_drop(struct host *h, const Journal__HostRecord *in) {
        struct record_key key = {};
        struct record *record;

        if (!read_key(in, &key))
                return 1;
        record = records_find(h->records, &key);
        if (record && record->state == RECORD_LOST)
                records_drop(h->records, record);
        return 0;
}

static int restore_heard(struct host *h, struct bytes bytes) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        const Journal__HeardVerdict *in;
        struct hash_value digest;
        struct record_key key = {};
        struct record *record;

        if (wire_unpack(&journal__heard_verdict__descriptor, bytes, NULL, &u))
                return 1;
        in = u.message;
        if (!peer_id_parse(BYTES(in->requester.data, in->requester.len), &key.requester) ||
            in->job.len != HASH_SIZE)
                return 1;
        memcpy(key.job.bytes, in->job.data, HASH_SIZE);
        key.run = in->run;
        digest = statement_digest(BYTES(in->statement.data, in->statement.len));
        record = records_find(h->records, &key);
        if (record && record->n_verdicts < RECORD_VERDICTS)
                record->verdicts[record->n_verdicts++] = record_digest(&digest);
        return 0;
}

int host_restore(void *role, enum journal_kind kind, struct bytes bytes, nsec_t now) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        struct host *h = role;

        if (kind == JOURNAL_HEARD)
                return restore_heard(h, bytes);
        if (kind == JOURNAL_HOST_HORIZON || kind == JOURNAL_RECHECK_HORIZON)
                return restore_horizon(h, bytes);
        if (wire_unpack(&journal__host_record__descriptor, bytes, NULL, &u))
                return 1;
        if (kind == JOURNAL_HOST || kind == JOURNAL_RECHECK)
                return restore_record(h, u.message, bytes);
        if (kind == JOURNAL_HOST_DROP || kind == JOURNAL_RECHECK_DROP)
                return restore_drop(h, u.message);
        return 1;
}

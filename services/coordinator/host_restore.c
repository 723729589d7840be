/* What the journal says after a restart. Every doubt is decided against signing. */

#include "common/canonical/statement.h"
#include "common/wire/unpack.h"
#include "proto/journal.pb-c.h"
#include "services/coordinator/host.h"

static bool read_key(const Journal__HostRecord *in, struct record_key *ret) {
        if (!peer_id_parse(BYTES(in->requester.data, in->requester.len), &ret->requester) ||
            in->job.len != HASH_SIZE)
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

/* What was journalled without a commit may have been signed. */
static int restore_record(struct host *h, const Journal__HostRecord *in, nsec_t now) {
        struct subnet subnet = read_subnet(in);
        struct record_key key = {};
        struct record *record;

        if (in->requester.len == 0) {
                host_refuse_before(h, in->time_us);
                return 0;
        }
        if (!read_key(in, &key))
                return 1;
        record = in->time_us <= core_wall_us(h->core, now) - RECORD_KEPT_US
                         ? NULL
                         : records_find(h->records, &key);
        if (!record && in->time_us > core_wall_us(h->core, now) - RECORD_KEPT_US)
                record = records_add(h->records, &key, &subnet, in->time_us);
        if (!record) { /* too old, or no room: as if the journal began after it */
                host_forget_signed(h, in->time_us);
                return 0;
        }
        record->state = record->state == RECORD_SIGNED ? RECORD_SIGNED : RECORD_LOST;
        if (in->commit.len > 0 &&
            !record_sign(h->records, record, BYTES(in->commit.data, in->commit.len)))
                return 1;
        return 0;
}

/* Only the very record it withdraws: what has a commit, or was made later, stays. */
static int restore_drop(struct host *h, const Journal__HostRecord *in) {
        struct record_key key = {};
        struct record *record;

        if (!read_key(in, &key))
                return 1;
        record = records_find(h->records, &key);
        if (record && record->state == RECORD_LOST && record->time_us == in->time_us)
                records_drop(h->records, record);
        return 0;
}

static int restore_heard(struct host *h, struct bytes bytes) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        const Journal__HeardVerdict *in;
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
        record = records_find(h->records, &key);
        if (record && record->n_verdicts < RECORD_VERDICTS)
                record->verdicts[record->n_verdicts++] =
                        statement_digest(BYTES(in->statement.data, in->statement.len));
        return 0;
}

int host_restore(void *role, enum journal_kind kind, struct bytes bytes, nsec_t now) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        struct host *h = role;

        if (kind == JOURNAL_HEARD)
                return restore_heard(h, bytes);
        if ((kind != JOURNAL_HOST && kind != JOURNAL_HOST_DROP) ||
            wire_unpack(&journal__host_record__descriptor, bytes, NULL, &u))
                return 1;
        return kind == JOURNAL_HOST ? restore_record(h, u.message, now)
                                    : restore_drop(h, u.message);
}

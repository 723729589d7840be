#include "services/coordinator/client.h"

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/wire/frame.h"
#include "common/wire/unpack.h"
#include "services/coordinator/requester_core.h"

#define PROGRESS_EVERY (250 * NSEC_PER_MSEC)
#define QUEUE_HARD_MAX (64u << 20)

static void emit(struct job *j) {
        struct client *c = &j->client;

        while (c->credit > 0 && c->given < c->out.len) {
                size_t left = c->out.len - c->given;
                size_t n = left < STREAM_UNIT_MAX ? left : STREAM_UNIT_MAX;

                actions_add_data(ACTIONS(j), ACTION_CLIENT, c->id,
                                 refbuf_new(BYTES(c->out.data + c->given, n)));
                c->given += n;
                c->credit--;
        }
        if (c->given == c->out.len) {
                buffer_clear(&c->out);
                c->given = 0;
                if (c->has_end && !c->has_all) {
                        actions_add(ACTIONS(j), ACTION_CLIENT_FINISH, c->id);
                        c->has_all = true;
                }
        } else if (c->given > c->out.len / 2) {
                buffer_consume(&c->out, c->given);
                c->given = 0;
        }
}

static void put_frame(struct job *j, const Coordinator__ResultFrame *frame) {
        size_t len = protobuf_c_message_get_packed_size(&frame->base);
        uint8_t prefix[VARINT_SIZE_MAX];

        buffer_put(&j->client.out, prefix, frame_prefix(len, prefix));
        wire_pack(&j->client.out, &frame->base);
        check(!j->client.out.failed); /* rows pause long before */
        emit(j);
}

bool client_is_full(const struct job *j) {
        return !j->client.id || j->client.out.len - j->client.given > CLIENT_QUEUE_MAX;
}

/* ---- Coming and going ---- */

void client_done(struct client *c) {
        buffer_done(&c->out);
        *c = (struct client){};
}

void client_detach(struct job *j, nsec_t now) {
        uint64_t next = j->client.next_batch;

        if (j->client.id)
                map_remove_u64(RQ_OF(j)->clients, j->client.id);
        client_done(&j->client);
        j->client.next_batch = next;
        j->idle_since = now;
}

static bool can_go_on(struct job *j, uint64_t from_batch, nsec_t now) {
        if (j->rows.tier)
                return rows_seek(j, from_batch, now);
        return from_batch == 0 || j->has_before;
}

/* The newest one has the job; an earlier one hears the end of its channel. One that
 * has rows which cannot be continued hears RESTARTED. */
void client_attach(struct job *j, uint64_t id, uint64_t from_batch, nsec_t now) {
        bool is_lost = !can_go_on(j, from_batch, now);

        if (j->client.id) {
                actions_add(ACTIONS(j), ACTION_CLIENT_FINISH, j->client.id);
                client_detach(j, now);
        }
        j->client.id = id;
        j->client.next_batch = from_batch;
        buffer_init(&j->client.out, QUEUE_HARD_MAX);
        map_set_u64(RQ_OF(j)->clients, id, j);
        j->client.is_lost = is_lost;
        j->rows.reading = 0;
        if (is_lost)
                job_fail(j, OUTCOME_RESTARTED, "", now);
}

void client_credit(struct job *j, uint32_t units) {
        struct client *c = &j->client;

        c->credit = units > UINT32_MAX - c->credit ? UINT32_MAX : c->credit + units;
        emit(j);
}

/* ---- Frames ---- */

static void put_schema(struct job *j) {
        Coordinator__ResultSchema schema = COORDINATOR__RESULT_SCHEMA__INIT;
        Coordinator__ResultFrame frame = COORDINATOR__RESULT_FRAME__INIT;

        schema.schema = binary(j->schema->encoded);
        schema.ordered = j->is_ordered;
        schema.provisional = !j->rows.is_checked;
        frame.body_case = COORDINATOR__RESULT_FRAME__BODY_SCHEMA;
        frame.schema = &schema;
        j->client.has_schema = true;
        put_frame(j, &frame);
}

void client_restart(struct job *j) {
        j->client.next_batch = 0;
        if (j->client.id && j->client.has_schema)
                put_schema(j);
}

void client_batch(struct job *j, uint64_t index, struct bytes rows) {
        Coordinator__ResultBatch batch = COORDINATOR__RESULT_BATCH__INIT;
        Coordinator__ResultFrame frame = COORDINATOR__RESULT_FRAME__INIT;

        if (!j->client.id || j->client.is_lost || index != j->client.next_batch)
                return;
        if (!j->client.has_schema)
                put_schema(j);
        batch.index = index;
        batch.data = binary(rows);
        frame.body_case = COORDINATOR__RESULT_FRAME__BODY_BATCH;
        frame.batch = &batch;
        j->client.next_batch = index + 1;
        put_frame(j, &frame);
}

static const char *host_stage(const struct replica *r) {
        static const char *const names[_REPLICA_STAGE_N] = {
                [REPLICA_OPENING] = "offered",
                [REPLICA_OFFERED] = "offered",
                [REPLICA_BID] = "bid",
                [REPLICA_SIGNING] = "dispatched",
                [REPLICA_DISPATCHED] = "dispatched",
                [REPLICA_RUNNING] = "running",
                [REPLICA_COMMITTED] = "committed",
                [REPLICA_OVER] = "failed",
        };

        if (r->stage == REPLICA_OVER && r->is_cancelled)
                return "cancelled";
        if (r->stage == REPLICA_DISPATCHED && r->progress.stage[0])
                return strcmp(r->progress.stage, "importing") == 0 ? "importing" : "fetching";
        return names[r->stage];
}

static size_t list_hosts(const struct job *j, Coordinator__HostProgress *hosts,
                         Coordinator__HostProgress **list) {
        size_t n = 0;

        FOREACH_REPLICA (r, j) {
                if (n == QUORUM_VOTES_MAX || r->run != 0 ||
                    (!r->dispatched && r->stage != REPLICA_BID))
                        continue;
                coordinator__host_progress__init(&hosts[n]);
                hosts[n].peer = binary(peer_id_bytes(&r->prospect->candidate.peer));
                hosts[n].stage = (char *) host_stage(r);
                hosts[n].rows = r->progress.rows;
                hosts[n].bytes = r->progress.bytes;
                hosts[n].cpu_us = r->progress.cpu_us;
                list[n] = &hosts[n];
                n++;
        }
        return n;
}

/* Before the first row: how large what is made of an input is by now, where it is the largest. */
static uint64_t imported(const struct job *j) {
        uint64_t most = j->imported;

        FOREACH_REPLICA (r, j)
                if (strcmp(host_stage(r), "importing") == 0 && r->progress.bytes > most)
                        most = r->progress.bytes;
        return most;
}

/* Only when the client has read all before it: progress never queues up. */
void client_progress(struct job *j, nsec_t now) {
        Coordinator__JobProgress p = COORDINATOR__JOB_PROGRESS__INIT;
        Coordinator__HostProgress hosts[QUORUM_VOTES_MAX], *list[QUORUM_VOTES_MAX];
        Coordinator__ResultFrame frame = COORDINATOR__RESULT_FRAME__INIT;
        struct client *c = &j->client;

        if (!c->id || c->has_end || c->out.len > 0 || c->credit < 2 ||
            !job_due(j, nsec_add(c->last_progress, PROGRESS_EVERY), now))
                return;
        c->last_progress = now;
        p.stage = (char *) job_stage_name(j);
        p.n_hosts = list_hosts(j, hosts, list);
        p.hosts = list;
        p.rows = j->rows.has_checker ? j->rows.checker.rows : 0;
        p.bytes = j->rows.has_checker ? j->rows.checker.bytes : imported(j);
        p.elapsed_us = nsec_sub(now, j->began) / NSEC_PER_USEC;
        p.note = (char *) (j->is_contested ? "escalating: answers differ" : "");
        frame.body_case = COORDINATOR__RESULT_FRAME__BODY_PROGRESS;
        frame.progress = &p;
        put_frame(j, &frame);
}

static void end_restarted(struct job_end *end) {
        end->end.state = (char *) "";
        types__problem__init(&end->problem);
        end->problem.code = OUTCOME_RESTARTED;
        end->problem.detail = (char *) "";
        end->problem.position = -1;
        end->end.problem = &end->problem;
}

void client_end(struct job *j) {
        Coordinator__ResultFrame frame = COORDINATOR__RESULT_FRAME__INIT;
        struct client *c = &j->client;
        struct job_end end;

        if (!c->id || c->has_end ||
            (!c->is_lost && j->state && c->next_batch < j->rows.want.batches))
                return;
        if (!c->is_lost && j->state && !c->has_schema)
                put_schema(j);
        job_end_fill(j, &end);
        if (c->is_lost && j->state)
                end_restarted(&end);
        frame.body_case = COORDINATOR__RESULT_FRAME__BODY_END;
        frame.end = &end.end;
        c->has_end = true;
        put_frame(j, &frame);
}

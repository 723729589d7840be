#include "services/coordinator/host.h"

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/wire/packed.h"

/* Rows go from the worker's spool to the requester two batches at a time, and the
 * next are asked for when those have left: what lies here stays within
 * HOST_ROWS_WINDOW, or one row larger than that. */

static void no_rows(struct host_job *j) {
        host_refuse_for(j, OUTCOME_DATA_UNAVAILABLE, "what=rows");
}

static void send_end(struct host_job *j) {
        Grid__RowsEnd out = GRID__ROWS_END__INIT;
        Grid__JobMessage m;

        j->is_reading = false;
        budget_give(&j->peer->memory, j->rows_charged);
        j->rows_charged = 0;
        out.batches = j->answer.batches;
        host_message_init(&m, GRID__JOB_MESSAGE__BODY_ROWS_END);
        m.rows_end = &out;
        host_send(j, &m);
}

static void ask_worker(struct host_job *j) {
        Worker__Fetch fetch = WORKER__FETCH__INIT;
        struct refbuf *packed;

        fetch.from_batch = j->next_batch;
        fetch.count = HOST_FETCH_BATCHES;
        fetch.digests = j->wants_digests;
        fetch.link = j->codec == PACKED_ZSTD
                             ? pays_link(j->host->core->settings.host.zstd, j->link.rate, j->is_far)
                             : 0;
        j->wants_digests = false;
        packed = refbuf_alloc(worker__fetch__get_packed_size(&fetch));
        worker__fetch__pack(&fetch, packed->data);
        j->is_fetching = true;
        actions_add_data(j->host->core->actions, ACTION_WORK_FETCH, j->run, packed);
}

void host_pump(struct host_job *j, nsec_t now) {
        if (!j->is_reading || j->is_fetching || lane_queued(&j->lane) >= HOST_ROWS_WINDOW / 2)
                return;
        if (j->next_batch >= j->answer.batches && !j->wants_digests)
                send_end(j);
        else
                ask_worker(j);
}

void host_on_rows(struct host_job *j, const Grid__JobMessage *m, nsec_t now) {
        const Grid__Rows *in = m->rows;

        if (!j->run && j->answer.batches > 0) {
                no_rows(j);
                return;
        }
        if (in->from_batch > j->answer.batches) {
                host_refuse_for(j, OUTCOME_MISMATCH, "field=from_batch");
                return;
        }
        if (!j->rows_charged) {
                if (budget_take(&j->peer->memory, HOST_ROWS_WINDOW)) {
                        host_refuse_for(j, OUTCOME_LIMIT, "which=peer_memory");
                        return;
                }
                j->rows_charged = HOST_ROWS_WINDOW;
        }
        j->is_reading = true;
        j->read = now;
        j->next_batch = in->from_batch;
        j->wants_digests = in->digests && j->answer.batches > 0;
        j->codec = in->codec;
        /* Batches of an earlier request still under way are passed over by their index. */
        host_pump(j, now);
}

void host_on_hold(struct host_job *j, const Grid__JobMessage *m, nsec_t now) {
        host_touch(j, now);
}

void host_on_release(struct host_job *j, const Grid__JobMessage *m, nsec_t now) {
        host_job_stop(j);
}

/* ---- What the worker sends ---- */

static void forward_digests(struct host_job *j, const Worker__Digests *in) {
        Grid__Digests out = GRID__DIGESTS__INIT;
        Grid__JobMessage m;

        out.first = in->first;
        out.digests = in->digests;
        host_message_init(&m, GRID__JOB_MESSAGE__BODY_DIGESTS);
        m.digests = &out;
        host_send(j, &m);
}

static void forward_batch(struct host_job *j, const Worker__Batch *in) {
        Grid__Batch out = GRID__BATCH__INIT;
        Grid__JobMessage m;

        if (in->index != j->next_batch || j->wants_digests)
                return;
        j->next_batch++;
        out.index = in->index;
        out.codec = in->codec;
        out.length = in->length;
        out.data = in->data;
        faults_packed(&j->host->faults, &out.length);
        faults_batch(&j->host->faults, out.data.data, out.data.len);
        host_message_init(&m, GRID__JOB_MESSAGE__BODY_BATCH);
        m.batch = &out;
        host_send(j, &m);
}

void host_rows_report(struct host_job *j, const Worker__Report *report, nsec_t now) {
        if (!j->is_reading) {
                if (report->body_case == WORKER__REPORT__BODY_END)
                        j->is_fetching = false;
                return;
        }
        if (report->body_case == WORKER__REPORT__BODY_DIGESTS) {
                forward_digests(j, report->digests);
        } else if (report->body_case == WORKER__REPORT__BODY_BATCH) {
                forward_batch(j, report->batch);
        } else {
                j->is_fetching = false;
                if (!j->lane.is_ended)
                        host_pump(j, now);
        }
}

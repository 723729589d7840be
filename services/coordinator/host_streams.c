#include "services/coordinator/host.h"

#include "common/base/map.h"
#include "common/base/memory.h"

/* NULL: no room for one more stream of this peer. */
static struct host_peer *join(struct host *h, const struct stream_remote *remote,
                              const struct subnet *subnet, nsec_t now) {
        const struct host_settings *s = &h->core->settings.host;
        int share = shares_check(h->streams_shared, &remote->peer, subnet);
        struct host_peer *peer = NULL;

        if (s->enabled && !share)
                peer = host_peers_join(h->peers, &remote->peer, now);
        if (peer)
                shares_hold(h->streams_shared, &remote->peer, subnet);
        else if (share == SHARES_E_REQUESTER || share == SHARES_E_SUBNET)
                h->counters.shared_streams++;
        else
                h->counters.quota++;
        return peer;
}

void host_opened(void *role, uint64_t stream, const struct stream_remote *remote, uint32_t window,
                 nsec_t now) {
        struct host *h = role;
        struct subnet subnet = subnet_of(&remote->address);
        struct host_peer *peer = join(h, remote, &subnet, now);
        struct host_job *j;

        if (!peer) {
                actions_add(h->core->actions, ACTION_RESET, stream);
                return;
        }
        j = xnew(struct host_job);
        j->host = h;
        j->peer = peer;
        j->subnet = subnet;
        j->is_far = stream_is_far(remote);
        j->has_stream = true;
        list_init(&j->in_waiting);
        list_push_back(&h->jobs, &j->in_host);
        h->n_jobs++;
        lane_init(&j->lane, h->core->actions, stream, window, LANE_FRAME_MAX, &peer->memory);
        buffer_init(&j->descriptor_bytes, DESCRIPTOR_BYTES_MAX);
        buffer_init(&j->sql, LANE_FRAME_MAX);
        map_set_u64(h->streams, stream, j);
        host_touch(j, now);
}

static void on_cancel(struct host_job *j, const Grid__JobMessage *m, nsec_t now) {
        j->host->counters.cancelled++;
        host_job_stop(j);
        host_next_waiting(j->host, now);
}

#define IN(state) (1u << (state))
#define ANY_STATE (IN(_HOST_STATE_N) - 1)

/* What may be said when. A message of `late` states crossed one of ours: it is
 * passed over. Anything else ends the stream. */
static const struct message_row {
        Grid__JobMessage__BodyCase which;
        unsigned states, late;
        void (*fn)(struct host_job *j, const Grid__JobMessage *m, nsec_t now);
} message_rows[] = {
        { GRID__JOB_MESSAGE__BODY_OFFER, IN(HOST_NEW), 0, host_on_offer },
        { GRID__JOB_MESSAGE__BODY_DESCRIBE, IN(HOST_NEW), 0, host_on_describe },
        { GRID__JOB_MESSAGE__BODY_DISPATCH, IN(HOST_BID), IN(HOST_OVER), host_on_dispatch },
        { GRID__JOB_MESSAGE__BODY_ROWS, IN(HOST_HELD), ANY_STATE, host_on_rows },
        { GRID__JOB_MESSAGE__BODY_HOLD, IN(HOST_HELD), ANY_STATE, host_on_hold },
        { GRID__JOB_MESSAGE__BODY_RELEASE, IN(HOST_HELD), ANY_STATE, host_on_release },
        { GRID__JOB_MESSAGE__BODY_CANCEL, ANY_STATE, 0, on_cancel },
        { GRID__JOB_MESSAGE__BODY_VERDICT, ANY_STATE & ~IN(HOST_HEARING), 0, host_on_verdict },
};

struct feeding {
        struct host_job *job;
        nsec_t now;
};

static bool on_message(void *userdata, const Grid__JobMessage *m) {
        struct feeding *f = userdata;
        struct host_job *j = f->job;

        for (size_t i = 0; i < ELEMENTSOF(message_rows); i++) {
                const struct message_row *row = &message_rows[i];

                if (row->which != m->body_case)
                        continue;
                if (row->states & IN(j->state)) {
                        j->touched = f->now;
                        row->fn(j, m, f->now);
                        host_timer(j);
                        return !j->lane.is_ended;
                }
                if (row->late & IN(j->state))
                        return true;
                break;
        }
        j->host->counters.malformed++;
        host_event(j->host, EVENT_INFO, "host_unexpected_message", j);
        lane_reset(&j->lane);
        return false;
}

void host_data(void *role, uint64_t stream, struct bytes data, nsec_t now) {
        struct host *h = role;
        struct feeding f = { .job = map_get_u64(h->streams, stream), .now = now };
        int r;

        if (!f.job)
                return;
        r = lane_feed(&f.job->lane, data, on_message, &f);
        if (r == LANE_OK)
                return;
        if (r == LANE_E_MALFORMED)
                h->counters.malformed++;
        else if (r == LANE_E_QUOTA)
                h->counters.quota++;
        host_reset(f.job, now);
        host_next_waiting(h, now);
}

/* What waits here waits for the link: how fast it goes then is how fast that is. */
static void move(struct host_job *j, uint32_t units, nsec_t now) {
        size_t before = lane_queued(&j->lane);

        lane_window(&j->lane, units);
        link_rate_moved(&j->link, before - lane_queued(&j->lane), now);
        if (lane_queued(&j->lane) > 0)
                link_rate_wait(&j->link, now);
        else
                link_rate_rest(&j->link);
}

void host_window(void *role, uint64_t stream, uint32_t units, nsec_t now) {
        struct host *h = role;
        struct host_job *j = map_get_u64(h->streams, stream);

        if (!j)
                return;
        move(j, units, now);
        if (j->is_reading) {
                j->read = now;
                host_touch(j, now);
                host_pump(j, now);
        }
}

/* A commit outlives its stream: the requester may come back for the rows. */
void host_closed(void *role, uint64_t stream, uint32_t code, nsec_t now) {
        struct host *h = role;
        struct host_job *j = map_get_u64(h->streams, stream);

        if (!j)
                return;
        map_remove_u64(h->streams, stream);
        lane_done(&j->lane);
        j->has_stream = false;
        if (j->state == HOST_COMMITTING || j->state == HOST_HELD) {
                j->is_reading = false;
                budget_give(&j->peer->memory, j->rows_charged);
                j->rows_charged = 0;
                host_touch(j, now);
                return;
        }
        host_job_free(j, now);
        host_next_waiting(h, now);
}

/* The requester has nothing more to say; it may still be reading. The end of a stream
 * that brought a verdict says that it is on disk: host_heard(). */
void host_finished(void *role, uint64_t stream, nsec_t now) {
        struct host *h = role;
        struct host_job *j = map_get_u64(h->streams, stream);

        if (!j || j->state == HOST_HEARING)
                return;
        if (j->state != HOST_OVER) {
                host_job_stop(j);
                host_next_waiting(h, now);
        }
        lane_finish(&j->lane);
        host_touch(j, now);
}

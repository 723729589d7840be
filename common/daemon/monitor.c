#include "common/daemon/monitor.h"

#include <stdio.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/base/rate.h"
#include "common/daemon/bus.h"
#include "common/daemon/capability.h"
#include "common/daemon/listen.h"
#include "proto/bus.pb-c.h"

#define METRICS_MAX   1024
#define FOLLOWERS_MAX 16
#define EVENTS_BURST  100
#define EVENTS_RATE   50 /* a second */
#define FOLLOW_E_MANY 1

struct monitor {
        Bus__Monitor_Service base;
        const struct metrics *metrics;
        struct rpc_server *rpc;
        struct bus_server *server;
        struct loop *loop;
        struct rate rate;
        struct link *followers[FOLLOWERS_MAX];
        size_t n_followers;
        struct monitor_counters {
                uint64_t sent, refused, unread;
        } counters;
};

static const struct metric metric_table[] = {
        { .name = "events_sent",
          .kind = METRIC_COUNTER,
          .offset = offsetof(struct monitor_counters, sent),
          .help = "events told to followers" },
        { .name = "events_refused",
          .kind = METRIC_COUNTER,
          .offset = offsetof(struct monitor_counters, refused),
          .help = "events over the rate, told to nobody" },
        { .name = "events_unread",
          .kind = METRIC_COUNTER,
          .offset = offsetof(struct monitor_counters, unread),
          .help = "events lost by followers that do not read" },
        {},
};

struct collection {
        struct call *call;
        Bus__MetricsReply reply;
        Bus__Metric *items[METRICS_MAX];
};

static char *copy(struct call *call, const char *text) {
        size_t n = strlen(text) + 1;

        return memcpy(call_alloc(call, n), text, n);
}

static void collect(void *userdata, const char *name, const struct metric *metric, uint64_t value) {
        struct collection *c = userdata;
        Bus__Metric *item;

        if (c->reply.n_metrics >= METRICS_MAX)
                return;
        item = call_alloc(c->call, sizeof(*item));
        bus__metric__init(item);
        item->name = copy(c->call, name);
        item->help = copy(c->call, metric->help);
        item->value = value;
        item->counter = metric->kind == METRIC_COUNTER;
        c->items[c->reply.n_metrics++] = item;
}

static void monitor_metrics(Bus__Monitor_Service *base, const Bus__MetricsRequest *in,
                            Bus__MetricsReply_Closure closure, void *data) {
        struct monitor *m = (struct monitor *) base;
        struct call *call = call_begin(data, (ProtobufCClosure) closure);
        struct collection *c = call_alloc(call, sizeof(*c));

        c->call = call;
        bus__metrics_reply__init(&c->reply);
        c->reply.metrics = c->items;
        metrics_each(m->metrics, collect, c);
        call_reply(call, &c->reply);
}

static size_t find(const struct monitor *m, const struct link *peer) {
        size_t i = 0;

        while (i < m->n_followers && m->followers[i] != peer)
                i++;
        return i;
}

static void monitor_follow(Bus__Monitor_Service *base, const Bus__FollowRequest *in,
                           Bus__FollowReply_Closure closure, void *data) {
        const Bus__FollowReply reply = BUS__FOLLOW_REPLY__INIT;
        struct monitor *m = (struct monitor *) base;
        struct call *call = call_begin(data, (ProtobufCClosure) closure);
        struct link *peer = call_link(call);

        if (peer && find(m, peer) == m->n_followers) {
                if (m->n_followers == FOLLOWERS_MAX) {
                        call_fail(call, FOLLOW_E_MANY, "%d follow already", FOLLOWERS_MAX);
                        return;
                }
                m->followers[m->n_followers++] = peer;
        }
        call_reply(call, &reply);
}

static void on_gone(void *userdata, struct link *peer) {
        struct monitor *m = userdata;
        size_t i = find(m, peer);

        if (i < m->n_followers)
                m->followers[i] = m->followers[--m->n_followers];
}

void monitor_tell(struct monitor *m, const char *name, const void *message) {
        if (!m || m->n_followers == 0)
                return;
        if (!rate_take(&m->rate, loop_now(m->loop))) {
                m->counters.refused++;
                return;
        }
        for (size_t i = 0; i < m->n_followers; i++) {
                int r = rpc_event(m->followers[i], name, message, RPC_EVENT_STATUS);

                m->counters.sent += r == LINK_OK;
                m->counters.unread += r != LINK_OK;
        }
}

int monitor_new(struct service_context *ctx, struct monitor **ret) {
        static const Bus__Monitor_Service service = BUS__MONITOR__INIT(monitor_);
        char name[64], path[CAPABILITY_PATH_SIZE];
        struct bus_server_options o = { .path = path, .data_fd = -1, .service = ctx->name };
        struct monitor *m;
        int r;

        (void) snprintf(name, sizeof(name), "%s/events", ctx->name);
        *ret = NULL;
        o.fd = listen_take(name);
        if (o.fd < 0)
                return 0;
        check(capability_path(ctx->runtime, name, /* data= */ false, path) == 0);
        m = xnew(struct monitor);
        m->base = service;
        m->metrics = ctx->metrics;
        m->loop = ctx->loop;
        rate_init(&m->rate, EVENTS_BURST, EVENTS_RATE);
        metrics_register(ctx->metrics, NULL, metric_table, &m->counters);
        m->rpc = rpc_server_new(ctx->loop, &m->base.base, 0);
        rpc_server_watch(m->rpc, NULL, on_gone, m);
        o.rpc = m->rpc;
        r = bus_server_new(ctx->loop, &o, &m->server);
        if (r < 0) {
                monitor_free(m);
                return error_fold(r);
        }
        *ret = m;
        return 0;
}

struct monitor *monitor_free(struct monitor *m) {
        if (!m)
                return NULL;
        bus_server_free(m->server);
        rpc_server_free(m->rpc);
        free(m);
        return NULL;
}

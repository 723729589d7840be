#include "common/daemon/monitor.h"

#include <stdio.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/daemon/bus.h"
#include "common/daemon/capability.h"
#include "common/daemon/listen.h"
#include "proto/bus.pb-c.h"

#define METRICS_MAX 1024

struct monitor {
        Bus__Monitor_Service base;
        const struct metrics *metrics;
        struct rpc_server *rpc;
        struct bus_server *server;
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
        m->rpc = rpc_server_new(ctx->loop, &m->base.base, 0);
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

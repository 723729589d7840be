#include "services/coordinator/shell_data.h"

#include <errno.h>

#include "common/base/error.h"
#include "common/canonical/outcome.h"
#include "common/wire/frame.h"
#include "proto/transport.pb-c.h"
#include "services/coordinator/shell_serve.h"

#define OPEN_TIMEOUT_MS 10000

const struct shell_data_config shell_data_defaults = {
        .silence = 10 * NSEC_PER_SEC,
        .window = 8,
        .fetch_memory = 64 << 20,
        .serve_max = 32,
};

/* One stream to one provider of a getting. */
struct supply {
        struct getting *getting;
        unsigned provider;
        struct channel *channel; /* NULL: not open */
        struct frame_reader frames;
        bool accepted;
};

/* One root being fetched, for one or more inputs. */
struct getting {
        struct list link; /* in shell_data.gettings */
        struct shell_data *data;
        struct hash_value root;
        struct store_fetch *fetch;
        struct supply supplies[FETCH_PROVIDERS_MAX];
        bool pumping;
        bool is_checking; /* what an earlier fetch left; nobody is asked before */
        struct peer_id providers[FETCH_PROVIDERS_MAX]; /* until then */
        size_t n_providers;
};

/* One ACTION_INPUT. */
struct input {
        struct list link; /* in shell_data.inputs */
        uint64_t id;
        struct hash_value root;
        bool told, pinned;
        unsigned code; /* outcome_error to tell, OUTCOME_OK: ready */
        uint64_t fetched;
};

struct shell_data {
        struct loop *loop;
        struct store *store;
        struct shell_data_config config;
        const struct shell_data_handler *handler;
        void *userdata;
        struct link *transport;
        struct loop_source *timer, *tell, *check;
        struct budget memory;
        struct list gettings, inputs;
        struct servings servings;
        uint64_t fetched_bytes;
};

static void pump(struct getting *g);

/* ---- telling how inputs ended ---- */

static int facts_of(struct shell_data *d, const struct hash_value *root, struct buffer *encoded,
                    struct manifest *ret) {
        buffer_init(encoded, MANIFEST_SIZE_MAX);
        if (store_serve_source.manifest(d->store, root, encoded) || encoded->failed ||
            manifest_decode(buffer_bytes(encoded), ret))
                return error_origin(-EIO);
        return 0;
}

static void tell_ready(struct shell_data *d, struct input *in) {
        static const uint8_t no_salt[DATA_SALT_SIZE];
        CLEANUP(buffer_donep) struct buffer encoded = {};
        char path[STORE_NAME_SIZE], format[MANIFEST_FORMAT_MAX + 1] = "";
        struct input_facts facts = { .fetched = in->fetched };
        struct manifest m;

        if (facts_of(d, &in->root, &encoded, &m)) {
                d->handler->failed(d->userdata, in->id, OUTCOME_DATA_UNAVAILABLE);
                return;
        }
        memcpy(format, m.format.data, m.format.len);
        facts.format = format;
        facts.path = store_name(&in->root, path);
        facts.options = m.options;
        facts.schema = m.schema;
        facts.length = m.length;
        facts.is_public = memcmp(m.salt, no_salt, sizeof(no_salt)) == 0;
        d->handler->ready(d->userdata, in->id, &facts);
}

static struct input *next_to_tell(struct shell_data *d) {
        LIST_FOREACH (link, &d->inputs) {
                struct input *in = LIST_ENTRY(link, struct input, link);

                if (!in->told && (in->pinned || in->code != OUTCOME_OK))
                        return in;
        }
        return NULL;
}

static int on_tell(void *userdata) {
        struct shell_data *d = userdata;
        struct input *in;

        /* A handler may cancel any input, so look again from the start each time. */
        while ((in = next_to_tell(d))) {
                in->told = true;
                if (in->code == OUTCOME_OK)
                        tell_ready(d, in);
                else
                        d->handler->failed(d->userdata, in->id, in->code);
        }
        return 0;
}

static void settle(struct shell_data *d, struct input *in, unsigned code, uint64_t fetched) {
        if (in->pinned || in->code != OUTCOME_OK)
                return;
        in->code = code;
        in->fetched = fetched;
        if (code == OUTCOME_OK && store_pin(d->store, &in->root) == STORE_OK)
                in->pinned = true;
        else if (code == OUTCOME_OK)
                in->code = OUTCOME_DATA_UNAVAILABLE;
        (void) loop_defer(d->tell);
}

/* ---- one fetch ---- */

static void supply_close(struct supply *s) {
        if (s->channel)
                channel_reset(s->channel, 0, "done");
        s->channel = NULL;
        frame_reader_done(&s->frames);
}

static void getting_free(struct getting *g) {
        for (size_t i = 0; i < FETCH_PROVIDERS_MAX; i++)
                supply_close(&g->supplies[i]);
        list_remove(&g->link);
        store_fetch_free(g->fetch);
        free(g);
}

static void blame(struct getting *g) {
        struct fetch_report reports[FETCH_PROVIDERS_MAX];
        size_t n = fetch_reports(store_fetch_core(g->fetch), reports, FETCH_PROVIDERS_MAX);

        for (size_t i = 0; i < n; i++) {
                g->data->fetched_bytes += reports[i].bytes;
                if (reports[i].fault != FETCH_FAULT_NONE && g->data->handler->blamed)
                        g->data->handler->blamed(g->data->userdata, &reports[i].peer,
                                                 fetch_fault_name(reports[i].fault));
        }
}

static unsigned code_of(int error) {
        return error == -EDQUOT || error == -ENOSPC || error == -ENOBUFS ? OUTCOME_LIMIT
                                                                         : OUTCOME_DATA_UNAVAILABLE;
}

static void getting_end(struct getting *g, enum fetch_action_kind how, int error) {
        struct shell_data *d = g->data;
        unsigned code = OUTCOME_OK;
        uint64_t length = 0;

        if (how == FETCH_DONE)
                error = store_fetch_finish(g->fetch);
        if (error == STORE_E_DISK)
                error = -ENOSPC;
        if (how != FETCH_DONE || error)
                code = code_of(error);
        blame(g);
        (void) store_length(d->store, &g->root, &length);
        LIST_FOREACH (link, &d->inputs) {
                struct input *in = LIST_ENTRY(link, struct input, link);

                if (hash_equal(&in->root, &g->root))
                        settle(d, in, code, length);
        }
        if (code ==
            OUTCOME_OK) /* store_fetch_finish() pinned it once; the inputs have theirs now */
                store_unpin(d->store, &g->root);
        getting_free(g);
}

static void on_accepted(struct channel *c, void *userdata, struct bytes metadata) {
        struct supply *s = userdata;

        s->accepted = true;
        fetch_opened(store_fetch_core(s->getting->fetch), s->provider,
                     loop_now(s->getting->data->loop));
        pump(s->getting);
}

static void supply_lost(struct supply *s, enum fetch_fault why) {
        struct getting *g = s->getting;

        supply_close(s);
        fetch_closed(store_fetch_core(g->fetch), s->provider, why, loop_now(g->data->loop));
        pump(g);
}

static void on_data(struct channel *c, void *userdata, struct bytes data) {
        struct supply *s = userdata;
        struct getting *g = s->getting;
        struct fetch *core = store_fetch_core(g->fetch);
        nsec_t now = loop_now(g->data->loop);
        struct bytes frame;
        int r;

        channel_consumed(c, 1);
        fetch_alive(core, s->provider, now);
        while ((r = frame_reader_next(&s->frames, &data, &frame)) == FRAME_OK)
                fetch_frame(core, s->provider, frame, now);
        if (r != FRAME_E_MORE)
                supply_lost(s, FETCH_FAULT_MALFORMED);
        else
                pump(g);
}

static void on_finish(struct channel *c, void *userdata) {
        supply_lost(userdata, FETCH_FAULT_CLOSED);
}

static void on_end(struct channel *c, void *userdata, uint32_t code, const char *text) {
        struct supply *s = userdata;

        s->channel = NULL;
        supply_lost(s, s->accepted ? FETCH_FAULT_CLOSED : FETCH_FAULT_UNREACHABLE);
}

static const struct channel_handler supply_handler = {
        .on_accepted = on_accepted,
        .on_data = on_data,
        .on_finish = on_finish,
        .on_end = on_end,
};

static void open_supply(struct getting *g, const struct fetch_action *a) {
        struct supply *s = &g->supplies[a->provider];
        Transport__StreamOpen open = TRANSPORT__STREAM_OPEN__INIT;
        char *protocols[] = { (char *) g->data->config.protocol };

        open.peer = (ProtobufCBinaryData){ a->peer.len, (uint8_t *) a->peer.bytes };
        open.protocols = protocols;
        open.n_protocols = 1;
        open.timeout_ms = OPEN_TIMEOUT_MS;
        *s = (struct supply){ .getting = g, .provider = a->provider };
        frame_reader_init(&s->frames, DATA_ANSWER_MAX);
        if (g->data->transport)
                s->channel = channel_open_message(g->data->transport, "stream", &open,
                                                  &supply_handler, s);
        if (!s->channel)
                fetch_closed(store_fetch_core(g->fetch), a->provider, FETCH_FAULT_UNREACHABLE,
                             loop_now(g->data->loop));
}

/* Requests are a few hundred bytes and a stream may always send some units, so this
 * only fails when the stream is no more: its on_end follows. */
static void send_request(struct getting *g, const struct fetch_action *a) {
        struct supply *s = &g->supplies[a->provider];

        if (s->channel && channel_send(s->channel, a->data) == CHANNEL_E_FULL)
                fetch_closed(store_fetch_core(g->fetch), a->provider, FETCH_FAULT_SILENT,
                             loop_now(g->data->loop));
}

static void arm(struct shell_data *d) {
        nsec_t first = NSEC_NEVER;

        LIST_FOREACH (link, &d->gettings) {
                const struct getting *g = LIST_ENTRY(link, struct getting, link);

                if (!g->is_checking)
                        first = nsec_min(first, fetch_deadline(store_fetch_core(g->fetch)));
        }
        (void) loop_timer_set(d->timer, first);
}

/* Carries out what the fetch wants; frees it at its end. Not entered twice: closing a
 * stream inside it is an input of the same fetch. */
static void pump(struct getting *g) {
        struct shell_data *d = g->data;
        struct fetch_action a;
        bool ended = false;

        if (g->pumping)
                return;
        g->pumping = true;
        while (!ended && fetch_output(store_fetch_core(g->fetch), &a)) {
                if (a.kind == FETCH_OPEN) {
                        open_supply(g, &a);
                } else if (a.kind == FETCH_SEND) {
                        send_request(g, &a);
                } else if (a.kind == FETCH_DROP) {
                        supply_close(&g->supplies[a.provider]);
                } else {
                        getting_end(g, a.kind, a.error);
                        ended = true;
                }
        }
        if (!ended)
                g->pumping = false;
        arm(d);
}

static int on_timer(void *userdata) {
        struct shell_data *d = userdata;
        nsec_t now = loop_now(d->loop);

        LIST_FOREACH_SAFE (link, &d->gettings) {
                struct getting *g = LIST_ENTRY(link, struct getting, link);

                if (g->is_checking)
                        continue;
                fetch_expire(store_fetch_core(g->fetch), now);
                pump(g);
        }
        arm(d);
        return 0;
}

static void begin_asking(struct getting *g) {
        nsec_t now = loop_now(g->data->loop);

        g->is_checking = false;
        for (size_t i = 0; i < g->n_providers; i++)
                fetch_add_provider(store_fetch_core(g->fetch), &g->providers[i], now);
        fetch_expire(store_fetch_core(g->fetch), now);
        pump(g);
}

/* One step of each a turn: rows, cancels and other jobs come between. */
static int on_check(void *userdata) {
        struct shell_data *d = userdata;
        bool is_more = false;

        LIST_FOREACH_SAFE (link, &d->gettings) {
                struct getting *g = LIST_ENTRY(link, struct getting, link);
                int r = g->is_checking ? store_fetch_check(g->fetch) : 0;

                if (r == STORE_FETCH_MORE)
                        is_more = true;
                else if (r)
                        getting_end(g, FETCH_FAILED, r);
                else if (g->is_checking)
                        begin_asking(g);
        }
        return is_more ? loop_defer(d->check) : 0;
}

/* ---- inputs ---- */

static struct getting *getting_of(struct shell_data *d, const struct hash_value *root) {
        LIST_FOREACH (link, &d->gettings) {
                struct getting *g = LIST_ENTRY(link, struct getting, link);

                if (hash_equal(&g->root, root))
                        return g;
        }
        return NULL;
}

static struct getting *getting_new(struct shell_data *d, const struct hash_value *root,
                                   int *ret_error) {
        const struct fetch_config config = { d->config.silence, d->config.window, &d->memory };
        struct getting *g = xnew(struct getting);

        g->data = d;
        g->root = *root;
        list_init(&g->link);
        *ret_error = store_fetch_begin(d->store, root, &config, &g->fetch);
        if (*ret_error) {
                free(g);
                return NULL;
        }
        g->is_checking = true;
        list_push_back(&d->gettings, &g->link);
        (void) loop_defer(d->check);
        return g;
}

static void add_provider(struct getting *g, const struct peer_id *peer) {
        if (!g->is_checking)
                fetch_add_provider(store_fetch_core(g->fetch), peer, loop_now(g->data->loop));
        else if (g->n_providers < FETCH_PROVIDERS_MAX)
                g->providers[g->n_providers++] = *peer;
}

static void get(struct shell_data *d, struct input *in, const struct peer_id *providers,
                size_t n_providers) {
        struct getting *g = getting_of(d, &in->root);
        int error = 0;

        if (!g)
                g = getting_new(d, &in->root, &error);
        if (!g) {
                settle(d, in,
                       error == STORE_E_QUOTA || error == STORE_E_DISK ? OUTCOME_LIMIT
                                                                       : code_of(error),
                       0);
                return;
        }
        for (size_t i = 0; i < n_providers; i++)
                add_provider(g, &providers[i]);
        if (g->is_checking)
                return;
        fetch_expire(store_fetch_core(g->fetch), loop_now(d->loop));
        pump(g);
}

void shell_data_input(struct shell_data *d, uint64_t fetch, const struct hash_value *root,
                      const struct peer_id *providers, size_t n_providers) {
        struct input *in = xnew(struct input);

        in->id = fetch;
        in->root = *root;
        list_push_back(&d->inputs, &in->link);
        if (store_has(d->store, root))
                settle(d, in, OUTCOME_OK, 0);
        else if (n_providers == 0)
                settle(d, in, OUTCOME_DATA_UNAVAILABLE, 0);
        else
                get(d, in, providers, n_providers);
}

static void input_free(struct shell_data *d, struct input *in) {
        if (in->pinned)
                store_unpin(d->store, &in->root);
        list_remove(&in->link);
        free(in);
}

/* Ends a fetch nobody waits for any more; verified chunks stay for the next try. */
static void drop_unwanted(struct shell_data *d, const struct hash_value *root) {
        struct getting *g = getting_of(d, root);

        LIST_FOREACH (link, &d->inputs)
                if (hash_equal(&LIST_ENTRY(link, struct input, link)->root, root))
                        return;
        if (g && !g->pumping)
                getting_free(g);
}

void shell_data_cancel(struct shell_data *d, uint64_t fetch) {
        LIST_FOREACH_SAFE (link, &d->inputs) {
                struct input *in = LIST_ENTRY(link, struct input, link);
                struct hash_value root = in->root;

                if (in->id != fetch)
                        continue;
                input_free(d, in);
                drop_unwanted(d, &root);
                return;
        }
}

/* ---- life ---- */

struct shell_data *shell_data_new(struct loop *loop, struct store *store,
                                  const struct shell_data_config *config,
                                  const struct shell_data_handler *handler, void *userdata) {
        CLEANUP(shell_data_freep) struct shell_data *d = xnew(struct shell_data);

        d->loop = loop;
        d->store = store;
        d->config = *config;
        d->handler = handler;
        d->userdata = userdata;
        budget_init(&d->memory, config->fetch_memory, NULL);
        list_init(&d->gettings);
        list_init(&d->inputs);
        servings_init(&d->servings, store, config->serve_max);
        if (loop_add_timer(loop, on_timer, d, &d->timer) ||
            loop_add_defer(loop, on_tell, d, &d->tell) ||
            loop_add_defer(loop, on_check, d, &d->check))
                return NULL;
        return TAKE(d);
}

struct shell_data *shell_data_free(struct shell_data *d) {
        struct list *link;

        if (!d)
                return NULL;
        servings_done(&d->servings);
        while ((link = list_first(&d->gettings)))
                getting_free(LIST_ENTRY(link, struct getting, link));
        while ((link = list_first(&d->inputs)))
                input_free(d, LIST_ENTRY(link, struct input, link));
        loop_source_free(d->timer);
        loop_source_free(d->tell);
        loop_source_free(d->check);
        free(d);
        return NULL;
}

void shell_data_link(struct shell_data *d, struct link *transport) {
        d->transport = transport;
}

void shell_data_inbound(struct shell_data *d, struct channel *c) {
        servings_accept(&d->servings, c);
}

void shell_data_stats(const struct shell_data *d, struct shell_data_stats *ret) {
        *ret = (struct shell_data_stats){
                .fetched_bytes = d->fetched_bytes,
                .served_bytes = d->servings.bytes,
                .served_requests = d->servings.requests,
                .refused_streams = d->servings.refused,
                .served_streams = d->servings.n_streams,
        };
        LIST_FOREACH (link, &d->gettings)
                ret->fetches++;
}

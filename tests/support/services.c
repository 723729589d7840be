#include "tests/support/services.h"

#include <stdio.h>
#include <string.h>

#include "tests/support/test.h"

#define CONFIG "dial-timeout = 1s\nidle-timeout = 3s\n"

uint64_t services_finished;
bool services_end_late;

static void *on_inbound(void *userdata, size_t protocol, const struct framed_remote *remote) {
        if (protocol > 0)
                return userdata;
        return exchange_inbound(((struct service_side *) userdata)->exchange, protocol, remote);
}

static void on_accepted(void *userdata, void *stream, struct framed *f) {
        if (stream != userdata)
                exchange_accepted(((struct service_side *) userdata)->exchange, stream, f);
}

static void on_withdrawn(void *userdata, size_t protocol, void *stream) {
        if (protocol == 0)
                exchange_withdrawn(((struct service_side *) userdata)->exchange, stream);
}

static size_t place_of(const struct service_side *s, const struct peer_id *peer) {
        size_t i = 0;

        while (i < s->n_connected && !peer_id_equal(&s->connected[i], peer))
                i++;
        return i;
}

static void on_peer(void *userdata, const Transport__PeerChange *in) {
        struct service_side *s = userdata;
        struct peer_id peer;
        size_t at;

        assert_true(peer_id_parse(BYTES(in->peer.data, in->peer.len), &peer));
        at = place_of(s, &peer);
        s->n_news++;
        if (in->connected && at == s->n_connected) {
                assert_true(at < PEERS);
                s->connected[s->n_connected++] = peer;
        } else if (!in->connected && at < s->n_connected) {
                s->connected[at] = s->connected[--s->n_connected];
        }
}

static void on_self(void *userdata, const Transport__SelfReply *self) {
        struct service_side *s = userdata;

        assert_true(peer_id_parse(BYTES(self->peer.data, self->peer.len), &s->id));
        if (self->n_listen > 0 && multiaddr_parse(BYTES(self->listen[0].data, self->listen[0].len),
                                                  &s->address) == MULTIADDR_OK)
                s->n_self++;
}

static void on_up(void *userdata) {
        struct service_side *s = userdata;

        s->n_up++;
        exchange_up(s->exchange);
}

static void on_down(void *userdata) {
        struct service_side *s = userdata;

        s->n_down++;
        s->n_connected = 0;
}

static const struct streams_events streams_events = { .on_inbound = on_inbound,
                                                      .on_accepted = on_accepted,
                                                      .on_withdrawn = on_withdrawn,
                                                      .on_peer = on_peer,
                                                      .on_self = on_self,
                                                      .on_up = on_up,
                                                      .on_down = on_down };

static void on_done(void *userdata, uint64_t id, enum exchange_result result,
                    const struct framed_remote *remote, struct bytes answer) {
        struct service_side *s = userdata;

        s->is_done = true;
        s->result = result;
        (void) snprintf(s->answer, sizeof(s->answer), "%.*s", (int) answer.len,
                        (const char *) answer.data);
}

static void on_question(void *userdata, uint64_t question, size_t protocol,
                        const struct framed_remote *remote, struct bytes frame) {
        static const uint8_t big[FRAME + 1];
        struct service_side *s = userdata;

        if (s->manner == ANSWERS)
                exchange_answer(s->exchange, question, frame);
        else if (s->manner == ANSWERS_TOO_MUCH)
                exchange_answer(s->exchange, question, BYTES_OF(big));
        else if (s->manner == REFUSES)
                exchange_refuse(s->exchange, question);
}

/* A core that hears of it may carry out at once what it had to do, for that question as well. */
static void on_gone(void *userdata, uint64_t question) {
        struct service_side *s = userdata;

        s->n_gone++;
        exchange_refuse(s->exchange, question);
}

static const struct places_limits limits = { .bytes = 64 * 1024,
                                             .bytes_per_group = 32 * 1024,
                                             .bytes_per_peer = 10 * 1024,
                                             .first = 3 * SEC,
                                             .idle = 6 * SEC,
                                             .frame = 3 * SEC };
static const struct exchange_events exchange_events = { .on_done = on_done,
                                                        .on_question = on_question,
                                                        .on_gone = on_gone };

bool wait_for(struct loop *loop, const uint64_t *count, uint64_t least, nsec_t timeout) {
        nsec_t end = nsec_add(loop_now(loop), timeout);

        while (*count < least && loop_now(loop) < end)
                assert_true(loop_turn(loop, 20 * MS) >= 0);
        return *count >= least;
}

void turn(struct loop *loop, nsec_t duration) {
        const uint64_t never = 0;

        (void) wait_for(loop, &never, 1, duration);
}

/* exchange_serving, and how often a peer said that it asks no more. */
static struct framed_handler serving;
static void on_finish(struct framed *f, void *userdata) {
        services_finished++;
        exchange_serving.on_finish(f, userdata);
}

static void idle_frame(struct framed *f, void *userdata, struct bytes frame) {
}

static void served_end(struct framed *f, void *userdata, uint32_t code, const char *text) {
}

static const struct framed_handler idle_served = { .on_frame = idle_frame, .on_end = served_end };

void service_init(struct service_side *s, struct loop *loop) {
        const struct streams_protocol protocols[] = {
                { PROTOCOL, 4, FRAME, &serving, .is_asked = true, .max = 12 },
                { IDLE, 4, FRAME, &idle_served, .is_idle = true },
        };

        serving = exchange_serving;
        serving.on_finish = on_finish;
        s->ctx = (struct service_context){ .name = "gossip",
                                           .loop = loop,
                                           .runtime = s->node->folder };
        assert_int_equal(streams_new(&s->ctx, &limits, &streams_events, s, &s->streams), 0);
        s->exchange = exchange_new(loop, s->streams, &exchange_events, s);
        streams_serve(s->streams, protocols, ELEMENTSOF(protocols));
        assert_true(wait_for(loop, &s->n_self, 1, 10 * SEC));
}

void service_done(struct service_side *s) {
        s->exchange = exchange_free(s->exchange);
        s->streams = streams_free(s->streams);
}

int pair_setup(void **state) {
        struct pair *p = xnew(struct pair);

        assert_int_equal(loop_new(&p->loop), 0);
        p->a.node = test_node_new(CONFIG);
        p->b.node = test_node_new(CONFIG);
        service_init(&p->a, p->loop);
        service_init(&p->b, p->loop);
        *state = p;
        return 0;
}

int pair_teardown(void **state) {
        struct pair *p = *state;

        service_done(&p->a);
        service_done(&p->b);
        test_node_free(p->a.node);
        test_node_free(p->b.node);
        loop_free(p->loop);
        free(p);
        return 0;
}

uint64_t begin(struct pair *p, const char *protocol, bool wants_answer) {
        static uint64_t id;
        const struct exchange_ask question = { .id = ++id,
                                               .peer = p->b.id,
                                               .addresses = &p->b.address,
                                               .n_addresses = 1,
                                               .protocol = protocol,
                                               .frame = BYTES_LIT("how late is it?"),
                                               .answer_max = FRAME,
                                               .timeout = 2 * SEC,
                                               .wants_answer = wants_answer,
                                               .ends_late = services_end_late };

        p->a.is_done = false;
        exchange_begin(p->a.exchange, &question);
        assert_false(p->a.is_done); /* never inside the call */
        return id;
}

enum exchange_result ask(struct pair *p, const char *protocol, bool wants_answer) {
        nsec_t end = nsec_add(loop_now(p->loop), 6 * SEC);

        begin(p, protocol, wants_answer);
        while (!p->a.is_done && loop_now(p->loop) < end)
                assert_true(loop_turn(p->loop, 20 * MS) >= 0);
        assert_true(p->a.is_done);
        assert_int_equal(exchange_open(p->a.exchange), 0);
        return p->a.result;
}

uint64_t counted(const struct service_side *s, const char *name) {
        struct streams_counter counters[STREAMS_COUNTERS];

        streams_counters(s->streams, counters);
        for (size_t i = 0; i < STREAMS_COUNTERS; i++)
                if (strcmp(counters[i].name, name) == 0)
                        return counters[i].value;
        fail();
        return 0;
}

/* greedy RUNTIME PEER PROTOCOL STREAMS BYTES
 * A peer that keeps places: as many streams, and on each (unless BYTES is 0) a frame of so many
 * bytes but for its last one. Says every second what became of them, until standard input ends. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/wire/varint.h"
#include "tests/support/streams.h"

struct greedy {
        struct channel *channel;
        uint64_t total, sent; /* bytes */
        bool is_accepted, has_ended;
};

static void push(struct greedy *g) {
        static uint8_t unit[CHANNEL_UNIT];

        while (g->channel && g->sent < g->total) {
                size_t left = (size_t) (g->total - g->sent), n = left;

                n = n < sizeof(unit) ? n : sizeof(unit);
                memset(unit, 0, VARINT_SIZE_MAX);
                if (g->sent == 0) /* the prefix; one byte more than comes */
                        (void) varint_write(g->total - 2, unit);
                if (channel_send(g->channel, BYTES(unit, n)) != CHANNEL_OK)
                        return;
                g->sent += n;
        }
}

static void on_accepted(struct channel *c, void *userdata, struct bytes metadata) {
        struct greedy *g = userdata;

        g->is_accepted = true;
        push(g);
}

static void on_writable(struct channel *c, void *userdata) {
        push(userdata);
}

static void on_data(struct channel *c, void *userdata, struct bytes data) {
        channel_consumed(c, 1);
}

static void on_end(struct channel *c, void *userdata, uint32_t code, const char *text) {
        struct greedy *g = userdata;

        g->channel = NULL;
        g->has_ended = true;
}

static const struct channel_handler handler = {
        .on_accepted = on_accepted, .on_data = on_data, .on_writable = on_writable, .on_end = on_end
};

static void open_all(struct streams_client *c, struct greedy *list, size_t n, char **args) {
        Transport__StreamOpen open = TRANSPORT__STREAM_OPEN__INIT;
        struct peer_id peer;

        check(peer_id_from_text(BYTES_STR(args[0]), &peer));
        open.peer = (ProtobufCBinaryData){ peer.len, peer.bytes };
        open.protocols = &args[1];
        open.n_protocols = 1;
        open.timeout_ms = 10000;
        for (size_t i = 0; i < n; i++) {
                list[i].total = strtoull(args[3], NULL, 10);
                list[i].channel = channel_open_message(bus_client_link(c->bus), "stream",
                                                       &open.base, &handler, &list[i]);
        }
}

static void tell(const struct greedy *list, size_t n) {
        uint64_t accepted = 0, ended = 0, sent = 0;

        for (size_t i = 0; i < n; i++) {
                accepted += list[i].is_accepted;
                ended += list[i].has_ended;
                sent += list[i].sent;
        }
        (void) printf("%llu %llu %llu\n", (unsigned long long) accepted, (unsigned long long) ended,
                      (unsigned long long) sent);
        (void) fflush(stdout);
}

static int on_input(void *userdata, uint32_t events) {
        *(bool *) userdata = true;
        return 0;
}

int main(int argc, char **argv) {
        struct streams_client *c = xnew(struct streams_client);
        struct loop_source *input;
        struct greedy *list;
        bool is_over = false;
        struct loop *loop;
        char *path;
        size_t n;

        if (argc != 6)
                return 2;
        n = strtoul(argv[4], NULL, 10);
        list = xnew_n(struct greedy, n + 1);
        path = xasprintf("%s/transport/streams", argv[1]);
        check(loop_new(&loop) == 0);
        check(loop_add_io(loop, STDIN_FILENO, EPOLLIN, on_input, &is_over, &input) == 0);
        streams_client_init(c, loop, path);
        check(streams_client_serve(c, NULL) == 0); /* also waits until the link is up */
        open_all(c, list, n, argv + 2);
        while (!streams_wait(loop, &is_over, NSEC_PER_SEC))
                tell(list, n);
        streams_client_done(c);
        loop_source_free(input);
        loop_free(loop);
        free(path);
        free(list);
        free(c);
        return 0;
}

/* streams-client RUNTIME serve PROTOCOL           echoes until standard input ends
 * streams-client RUNTIME open PEER PROTOCOL BYTES  sends a pattern, expects it back
 * A service on a node's transport/streams. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/list.h"
#include "tests/support/streams.h"

/* A unit on its way back. */
struct unit {
        struct list link;
        struct refbuf *content;
};

struct echo {
        struct list units;
        bool is_over;
};

static void echo_push(struct channel *c, struct echo *e) {
        struct list *link;

        while ((link = list_first(&e->units))) {
                struct unit *u = LIST_ENTRY(link, struct unit, link);

                if (channel_send_refbuf(c, u->content, 0, u->content->len) != CHANNEL_OK)
                        return;
                channel_consumed(c, 1);
                list_remove(&u->link);
                refbuf_unref(u->content);
                free(u);
        }
        if (e->is_over)
                (void) channel_finish(c);
}

static void on_data(struct channel *c, void *userdata, struct bytes data) {
        struct echo *e = userdata;
        struct unit *u = xnew(struct unit);

        u->content = refbuf_new(data);
        list_init(&u->link);
        list_push_back(&e->units, &u->link);
        echo_push(c, e);
}

static void on_writable(struct channel *c, void *userdata) {
        echo_push(c, userdata);
}

static void on_finish(struct channel *c, void *userdata) {
        struct echo *e = userdata;

        e->is_over = true;
        echo_push(c, e);
}

static void on_end(struct channel *c, void *userdata, uint32_t code, const char *text) {
        struct echo *e = userdata;
        struct list *link;

        while ((link = list_pop_front(&e->units))) {
                struct unit *u = LIST_ENTRY(link, struct unit, link);

                refbuf_unref(u->content);
                free(u);
        }
        free(e);
}

static const struct channel_handler echoing = {
        .on_data = on_data, .on_writable = on_writable, .on_finish = on_finish, .on_end = on_end
};

static void on_open(struct channel *c, void *userdata, const char *name, struct bytes metadata) {
        struct echo *e = xnew(struct echo);

        list_init(&e->units);
        if (channel_accept(c, BYTES_NONE, &echoing, e))
                free(e);
}

static int on_input(void *userdata, uint32_t events) {
        loop_exit(userdata, 0);
        return 0;
}

static int serve(struct streams_client *c, char **args) {
        struct loop_source *input;

        c->acceptor.on_open = on_open;
        if (streams_client_serve(c, args[0])) {
                (void) printf("error %u\n", c->code);
                return 1;
        }
        (void) printf("serving\n");
        (void) fflush(stdout);
        check(loop_add_io(c->loop, STDIN_FILENO, EPOLLIN, on_input, c->loop, &input) == 0);
        check(loop_run(c->loop) == 0);
        loop_source_free(input);
        return 0;
}

static int open_one(struct streams_client *c, char **args) {
        uint64_t n = strtoull(args[2], NULL, 10);
        struct test_stream *s;
        struct peer_id peer;

        check(peer_id_from_text(BYTES_STR(args[0]), &peer));
        check(streams_client_serve(c, NULL) == 0); /* also waits until the link is up */
        s = streams_client_open(c, &peer, args[1], NULL);
        test_stream_send(s, n, false);
        if (!streams_wait_count(c->loop, &s->received, n, 30 * NSEC_PER_SEC) || s->is_wrong) {
                (void) printf("error after %llu bytes: %s\n", (unsigned long long) s->received,
                              s->is_wrong ? "other bytes came back" : s->text);
                return 1;
        }
        (void) printf("echoed %llu\n", (unsigned long long) s->received);
        return 0;
}

static const struct {
        const char *name;
        int n_args;
        int (*run)(struct streams_client *c, char **args);
} commands[] = { { "serve", 1, serve }, { "open", 3, open_one } };

int main(int argc, char **argv) {
        struct streams_client *c = xnew(struct streams_client);
        struct loop *loop;
        char *path;
        int r = 2;

        if (argc < 3)
                return 2;
        path = xasprintf("%s/transport/streams", argv[1]);
        check(loop_new(&loop) == 0);
        streams_client_init(c, loop, path);
        for (size_t i = 0; i < ELEMENTSOF(commands); i++)
                if (strcmp(argv[2], commands[i].name) == 0 && argc - 3 == commands[i].n_args)
                        r = commands[i].run(c, argv + 3);
        streams_client_done(c);
        loop_free(loop);
        free(path);
        free(c);
        return r;
}

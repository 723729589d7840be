/* Two processes over loopback UDP; prints one line of JSON: quic_mb_s (1 GiB one way over
 * one stream, 10^6 bytes per second), quic_handshakes_s (one after another, confirmed on both
 * sides, closed again), quic_first_handshake_us, quic_echo_p50_us (64 bytes there and back). usage:
 * bench_quic [-b MiB] [-h handshakes] [-e echoes] [-k ed25519|p256]
 * [-c cubic|bbr] [-G no GSO] [-R no GRO] [-6] */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/crypto/random.h"
#include "services/transport/quic.h"
#include "services/transport/tls.h"
#include "services/transport/udp.h"

#define CHUNK       65536
#define BATCHES_MAX 8 /* of received trains, before what they caused is sent */

struct options {
        uint64_t bytes, handshakes, echoes;
        enum tls_key_type key;
        enum quic_congestion congestion;
        struct udp_options udp;
        bool ip6;
};

struct peer {
        struct quic *quic;
        struct udp *udp;
        struct tls_context *tls;
        struct tls_local_signer *signer;
        int epoll;
        struct datagrams pending; /* a train the socket did not take whole */
        size_t sent;
        bool is_blocked;

        struct refbuf *chunk;
        struct connection *connection;
        uint64_t n_connected, n_closed, received, left;
        bool done;
};

static nsec_t now_nsec(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (nsec_t) t.tv_sec * NSEC_PER_SEC + (nsec_t) t.tv_nsec;
}

static void on_random(void *userdata, void *ret, size_t n) {
        random_bytes(ret, n);
}

static void on_connected(void *userdata, struct connection *c) {
        struct peer *p = userdata;

        p->connection = c;
        p->n_connected++;
}

static void on_closed(void *userdata, struct connection *c, const struct connection_end *end) {
        struct peer *p = userdata;

        if (!end->was_confirmed)
                fprintf(stderr, "bench_quic: %s\n", connection_end_text(end));
        p->connection = NULL;
        p->n_closed++;
}

/* The server sends what the client's first eight bytes ask for; 0 means echo. */
struct serving {
        struct peer *peer;
        uint64_t left;
        bool is_asked;
};

static void serve_more(struct stream *s) {
        struct serving *v = s->userdata;

        while (v->left > 0 && stream_write_refbuf(s, v->peer->chunk) == STREAM_OK)
                v->left -= v->left < CHUNK ? v->left : CHUNK;
        if (v->is_asked && v->left == 0)
                stream_finish(s);
}

static void serve_data(struct stream *s, struct bytes data) {
        struct serving *v = s->userdata;

        stream_consumed(s, data.len);
        if (!v->is_asked && data.len >= sizeof(v->left)) {
                memcpy(&v->left, data.data, sizeof(v->left));
                v->is_asked = v->left > 0;
        }
        if (v->is_asked)
                serve_more(s);
        else
                (void) stream_write(s, data);
}

static void serve_writable(struct stream *s) {
        struct serving *v = s->userdata;

        if (v->is_asked)
                serve_more(s);
}

static void serve_fin(struct stream *s) {
        struct serving *v = s->userdata;

        if (!v->is_asked)
                stream_finish(s);
}

static void serve_close(struct stream *s, enum stream_end end) {
        free(s->userdata);
}

static const struct stream_handler server_handler = {
        .on_data = serve_data,
        .on_fin = serve_fin,
        .on_writable = serve_writable,
        .on_close = serve_close,
};

static void on_stream(void *userdata, struct connection *c, struct stream *s) {
        struct serving *v = xnew(struct serving);

        v->peer = userdata;
        stream_attach(s, &server_handler, v);
}

static const struct quic_events events = {
        .random = on_random,
        .on_connected = on_connected,
        .on_closed = on_closed,
        .on_stream = on_stream,
};

static void fail(const char *what, int r) {
        fprintf(stderr, "bench_quic: %s: %s\n", what, strerror(-r));
        exit(1);
}

static void peer_start(struct peer *p, const struct options *o, uint8_t seed) {
        const uint8_t localhost[4] = { 127, 0, 0, 1 }, localhost6[16] = { [15] = 1 };
        uint8_t seeds[32] = { seed };
        struct quic_config config;
        struct endpoint bind = o->ip6 ? endpoint_ip6(localhost6, 0, 0) : endpoint_ip4(localhost, 0);
        struct epoll_event e = { .events = EPOLLIN };
        int r;

        memset(p, 0, sizeof(*p));
        r = tls_local_signer_new(seeds, o->key, &p->signer);
        if (r == 0)
                r = tls_context_new(tls_local_signer(p->signer), time(NULL), &p->tls);
        if (r < 0)
                fail("certificate", r);
        quic_config_default(&config);
        config.tls = p->tls;
        config.congestion = o->congestion;
        config.limits.exempt_loopback = true;
        random_bytes(config.reset_key, sizeof(config.reset_key));
        p->quic = quic_new(&config, &events, p);
        quic_listen(p->quic, true);
        r = udp_new(&bind, o->ip6 ? PATH_LINK_IP6 : PATH_LINK_IP4, &o->udp, &p->udp);
        if (r < 0)
                fail("socket", r);
        p->epoll = epoll_create1(EPOLL_CLOEXEC);
        epoll_ctl(p->epoll, EPOLL_CTL_ADD, udp_fd(p->udp), &e);
        p->chunk = refbuf_alloc(CHUNK);
        memset(p->chunk->data, 0x5a, CHUNK);
}

static void peer_stop(struct peer *p) {
        quic_free(p->quic);
        udp_free(p->udp);
        tls_context_free(p->tls);
        tls_local_signer_free(p->signer);
        refbuf_unref(p->chunk);
        close(p->epoll);
}

static void watch(struct peer *p, bool is_blocked) {
        struct epoll_event e = { .events = EPOLLIN | (is_blocked ? EPOLLOUT : 0) };

        if (p->is_blocked == is_blocked)
                return;
        p->is_blocked = is_blocked;
        epoll_ctl(p->epoll, EPOLL_CTL_MOD, udp_fd(p->udp), &e);
}

static void flush(struct peer *p) {
        for (;;) {
                if (p->sent >= p->pending.len) {
                        p->sent = 0;
                        p->pending.len = 0;
                        if (!quic_output(p->quic, &p->pending, now_nsec()))
                                break;
                }
                if (udp_send(p->udp, &p->pending, &p->sent) == UDP_E_BLOCKED) {
                        watch(p, true);
                        return;
                }
                p->sent = p->pending.len;
        }
        watch(p, false);
}

static void on_input(void *userdata, const struct datagrams *in) {
        struct peer *p = userdata;

        quic_input(p->quic, in, now_nsec());
}

static void turn(struct peer *p) {
        nsec_t now = now_nsec(), deadline = quic_deadline(p->quic);
        nsec_t wait = nsec_min(nsec_sub(deadline, now), NSEC_PER_SEC);
        struct timespec t = { (time_t) (wait / NSEC_PER_SEC), (long) (wait % NSEC_PER_SEC) };
        struct epoll_event e;

        if (epoll_pwait2(p->epoll, &e, 1, &t, NULL) > 0 && e.events & EPOLLIN)
                for (int i = 0; i < BATCHES_MAX; i++)
                        if (udp_receive(p->udp, on_input, p) != UDP_OK)
                                break;
        quic_expire(p->quic, now_nsec());
        flush(p);
}

static void client_data(struct stream *s, struct bytes data) {
        struct peer *p = s->userdata;

        p->received += data.len;
        stream_consumed(s, data.len);
}

static void client_close(struct stream *s, enum stream_end end) {
        struct peer *p = s->userdata;

        p->done = true;
}

static void client_fin(struct stream *s) {
        stream_finish(s);
}

static const struct stream_handler client_handler = {
        .on_data = client_data,
        .on_fin = client_fin,
        .on_close = client_close,
};

static nsec_t connect_to(struct peer *p, const struct endpoint *to) {
        struct path path = { .link = to->family == ENDPOINT_IP6 ? PATH_LINK_IP6 : PATH_LINK_IP4,
                             .local = *udp_bound(p->udp),
                             .remote = *to };
        nsec_t start = now_nsec();
        struct connection *c;

        check(quic_dial(p->quic, &path, NULL, start, &c) == 0);
        flush(p);
        while (!p->connection)
                turn(p);
        return now_nsec() - start;
}

static void disconnect(struct peer *p) {
        connection_close(p->connection, 0);
        flush(p);
        while (p->connection)
                turn(p);
}

static double handshakes(struct peer *p, const struct endpoint *to, uint64_t n) {
        nsec_t start = now_nsec();

        for (uint64_t i = 0; i < n; i++) {
                connect_to(p, to);
                disconnect(p);
        }
        return (double) n * 1e9 / (double) (now_nsec() - start);
}

static double download(struct peer *p, uint64_t n) {
        nsec_t start = now_nsec();
        struct stream *s;

        p->done = false;
        p->received = 0;
        check(connection_open_stream(p->connection, &client_handler, p, &s) == 0);
        check(stream_write(s, BYTES(&n, sizeof(n))) == 0);
        flush(p);
        while (!p->done && p->connection)
                turn(p);
        if (p->received < n)
                fail("download ended early", -EPIPE);
        return (double) p->received / 1e6 / ((double) (now_nsec() - start) / 1e9);
}

static int by_size(const void *a, const void *b) {
        nsec_t x = *(const nsec_t *) a, y = *(const nsec_t *) b;

        return x < y ? -1 : x > y;
}

static nsec_t echoes(struct peer *p, uint64_t n) {
        nsec_t *took = xnew_n(nsec_t, n), median;
        uint8_t ping[64] = {};
        struct stream *s;

        p->done = false;
        check(connection_open_stream(p->connection, &client_handler, p, &s) == 0);
        for (uint64_t i = 0; i < n; i++) {
                nsec_t start = now_nsec();

                p->received = 0;
                check(stream_write(s, BYTES_OF(ping)) == 0);
                flush(p);
                while (p->received < sizeof(ping)) {
                        if (!p->connection)
                                fail("echo", -EPIPE);
                        turn(p);
                }
                took[i] = now_nsec() - start;
        }
        stream_finish(s);
        flush(p);
        while (!p->done && p->connection)
                turn(p);
        qsort(took, n, sizeof(*took), by_size);
        median = took[n / 2];
        free(took);
        return median;
}

static int by_value(const void *a, const void *b) {
        double x = *(const double *) a, y = *(const double *) b;

        return (x > y) - (x < y);
}

/* The median of three, each on a connection of its own. */
static double bulk(struct peer *p, const struct endpoint *to, uint64_t n) {
        double rates[3];

        for (size_t i = 0; i < ELEMENTSOF(rates); i++) {
                connect_to(p, to);
                rates[i] = download(p, n);
                disconnect(p);
        }
        qsort(rates, ELEMENTSOF(rates), sizeof(*rates), by_value);
        return rates[1];
}

static pid_t serve(const struct options *o, struct endpoint *ret) {
        int pipes[2];
        pid_t pid;

        check(pipe(pipes) == 0);
        pid = fork();
        if (pid == 0) {
                struct peer p;

                prctl(PR_SET_PDEATHSIG, SIGKILL);
                peer_start(&p, o, 2);
                check(write(pipes[1], udp_bound(p.udp), sizeof(*ret)) == sizeof(*ret));
                for (;;)
                        turn(&p);
        }
        check(pid > 0 && read(pipes[0], ret, sizeof(*ret)) == sizeof(*ret));
        close(pipes[0]);
        close(pipes[1]);
        return pid;
}

static void parse(int argc, char **argv, struct options *o) {
        int c;

        *o = (struct options){ .bytes = 1024, .handshakes = 500, .echoes = 2000 };
        while ((c = getopt(argc, argv, "b:h:e:k:c:GR6")) != -1) {
                switch (c) {
                case 'b':
                        o->bytes = strtoull(optarg, NULL, 10);
                        break;
                case 'h':
                        o->handshakes = strtoull(optarg, NULL, 10);
                        break;
                case 'e':
                        o->echoes = strtoull(optarg, NULL, 10);
                        break;
                case 'k':
                        o->key = strcmp(optarg, "p256") == 0 ? TLS_KEY_P256 : TLS_KEY_ED25519;
                        break;
                case 'c':
                        o->congestion = strcmp(optarg, "bbr") == 0 ? QUIC_BBR : QUIC_CUBIC;
                        break;
                case 'G':
                        o->udp.no_gso = true;
                        break;
                case 'R':
                        o->udp.no_gro = true;
                        break;
                case '6':
                        o->ip6 = true;
                        break;
                default:
                        exit(2);
                }
        }
}

int main(int argc, char **argv) {
        double rate = 0, mb_s = 0;
        struct endpoint server;
        struct options o;
        nsec_t echo = 0, first;
        struct peer p;
        pid_t pid;

        parse(argc, argv, &o);
        crypto_start();
        pid = serve(&o, &server);
        peer_start(&p, &o, 1);
        first = connect_to(&p, &server);
        disconnect(&p);
        if (o.bytes > 0)
                mb_s = bulk(&p, &server, o.bytes << 20);
        connect_to(&p, &server);
        if (o.echoes > 0)
                echo = echoes(&p, o.echoes);
        disconnect(&p);
        if (o.handshakes > 0)
                rate = handshakes(&p, &server, o.handshakes);
        printf("{\"quic_mb_s\":%.0f,\"quic_handshakes_s\":%.0f,\"quic_first_handshake_us\":%.0f,"
               "\"quic_echo_p50_us\":%.1f}\n",
               mb_s, rate, (double) first / 1e3, (double) echo / 1e3);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        peer_stop(&p);
        return 0;
}

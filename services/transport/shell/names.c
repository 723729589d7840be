#include "services/transport/shell/names.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/eventfd.h>

#include "common/base/error.h"
#include "common/base/list.h"
#include "common/daemon/loop.h"
#include "services/transport/dial.h"

#define WAITING_MAX 64
#define NAME_SIZE   256

struct question {
        struct list link;
        uint64_t number;
        char name[NAME_SIZE], port[8];
        int family;
        size_t n_found;
        struct endpoint found[DIAL_NAME_RESULTS];
};

struct names {
        struct loop_source *source;
        names_found_fn fn;
        void *userdata;
        int event_fd;
        bool has_thread, is_stopping;
        pthread_t thread;
        pthread_mutex_t mutex; /* of what follows */
        pthread_cond_t wanted;
        struct list waiting, answered;
        size_t n_waiting;
};

static bool endpoint_of(const struct addrinfo *a, struct endpoint *ret) {
        if (a->ai_family == AF_INET) {
                const struct sockaddr_in *in = (const void *) a->ai_addr;

                *ret = endpoint_ip4((const uint8_t *) &in->sin_addr, ntohs(in->sin_port));
                return true;
        }
        if (a->ai_family == AF_INET6) {
                const struct sockaddr_in6 *in = (const void *) a->ai_addr;

                *ret = endpoint_ip6(in->sin6_addr.s6_addr, in->sin6_scope_id, ntohs(in->sin6_port));
                return true;
        }
        return false;
}

static void look_up(struct question *q) {
        const struct addrinfo hints = { .ai_family = q->family,
                                        .ai_socktype = SOCK_DGRAM,
                                        .ai_flags = AI_ADDRCONFIG };
        struct addrinfo *list = NULL;

        if (getaddrinfo(q->name, q->port, &hints, &list) != 0)
                return;
        for (const struct addrinfo *a = list; a && q->n_found < DIAL_NAME_RESULTS; a = a->ai_next)
                if (endpoint_of(a, &q->found[q->n_found]))
                        q->n_found++;
        freeaddrinfo(list);
}

static struct question *next_question(struct names *n) {
        struct list *link;

        while (!n->is_stopping && list_is_empty(&n->waiting))
                (void) pthread_cond_wait(&n->wanted, &n->mutex);
        if (n->is_stopping)
                return NULL;
        link = list_pop_front(&n->waiting);
        n->n_waiting--;
        return LIST_ENTRY(link, struct question, link);
}

static void *run(void *userdata) {
        struct names *n = userdata;
        struct question *q;

        (void) pthread_mutex_lock(&n->mutex);
        while ((q = next_question(n))) {
                (void) pthread_mutex_unlock(&n->mutex);
                look_up(q);
                (void) pthread_mutex_lock(&n->mutex);
                list_push_back(&n->answered, &q->link);
                (void) eventfd_write(n->event_fd, 1);
        }
        (void) pthread_mutex_unlock(&n->mutex);
        return NULL;
}

static struct question *take_answer(struct names *n) {
        struct list *link;

        (void) pthread_mutex_lock(&n->mutex);
        link = list_pop_front(&n->answered);
        (void) pthread_mutex_unlock(&n->mutex);
        return link ? LIST_ENTRY(link, struct question, link) : NULL;
}

static int on_answered(void *userdata, uint32_t events) {
        struct names *n = userdata;
        struct question *q;
        eventfd_t ignored;

        (void) eventfd_read(n->event_fd, &ignored);
        while ((q = take_answer(n))) {
                n->fn(n->userdata, q->number, q->found, q->n_found);
                free(q);
        }
        return 0;
}

int names_new(struct loop *loop, names_found_fn fn, void *userdata, struct names **ret) {
        CLEANUP(names_freep) struct names *n = xnew(struct names);
        int r;

        n->fn = fn;
        n->userdata = userdata;
        n->event_fd = -1;
        list_init(&n->waiting);
        list_init(&n->answered);
        (void) pthread_mutex_init(&n->mutex, NULL);
        (void) pthread_cond_init(&n->wanted, NULL);
        n->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (n->event_fd < 0)
                return error_origin(-errno);
        r = loop_add_io(loop, n->event_fd, EPOLLIN, on_answered, n, &n->source);
        if (r < 0)
                return error_fold(r);
        *ret = TAKE(n);
        return 0;
}

static void forget(struct list *questions) {
        struct list *link;

        while ((link = list_pop_front(questions)))
                free(LIST_ENTRY(link, struct question, link));
}

static void stop_thread(struct names *n) {
        (void) pthread_mutex_lock(&n->mutex);
        n->is_stopping = true;
        (void) pthread_cond_signal(&n->wanted);
        (void) pthread_mutex_unlock(&n->mutex);
        (void) pthread_join(n->thread, NULL);
}

struct names *names_free(struct names *n) {
        if (!n)
                return NULL;
        if (n->has_thread)
                stop_thread(n);
        loop_source_free(n->source);
        n->event_fd = fd_close(n->event_fd);
        forget(&n->waiting);
        forget(&n->answered);
        (void) pthread_cond_destroy(&n->wanted);
        (void) pthread_mutex_destroy(&n->mutex);
        free(n);
        return NULL;
}

static bool ask(struct question *q, const struct multiaddr *name) {
        enum endpoint_family family;
        struct bytes text;
        uint16_t port;

        if (!multiaddr_name(name, &text, &port, &family) || text.len >= sizeof(q->name))
                return false;
        memcpy(q->name, text.data, text.len);
        (void) snprintf(q->port, sizeof(q->port), "%u", port);
        q->family = family == ENDPOINT_IP4   ? AF_INET
                    : family == ENDPOINT_IP6 ? AF_INET6
                                             : AF_UNSPEC;
        return true;
}

void names_find(struct names *n, uint64_t number, const struct multiaddr *name) {
        struct question *q = xnew(struct question);
        bool can_ask;

        if (!n->has_thread)
                n->has_thread = pthread_create(&n->thread, NULL, run, n) == 0;
        list_init(&q->link);
        q->number = number;
        (void) pthread_mutex_lock(&n->mutex);
        can_ask = ask(q, name) && n->has_thread && n->n_waiting < WAITING_MAX;
        list_push_back(can_ask ? &n->waiting : &n->answered, &q->link);
        n->n_waiting += can_ask;
        (void) pthread_cond_signal(&n->wanted);
        (void) pthread_mutex_unlock(&n->mutex);
        if (!can_ask)
                (void) eventfd_write(n->event_fd, 1);
}

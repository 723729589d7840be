#include "services/transport/shell/names.h"

#include <errno.h>
#include <pthread.h>
#include <sys/eventfd.h>

#include "common/base/error.h"
#include "common/base/list.h"
#include "common/daemon/loop.h"
#include "services/transport/shell/lookup.h"

#define WAITING_MAX 64

struct question {
        struct list link;
        uint64_t number;
        struct multiaddr name;
        size_t n_found;
        struct endpoint found[DIAL_NAME_RESULTS];
};

struct names {
        struct loop_source *source;
        names_found_fn fn;
        void *userdata;
        bool has_server;
        struct endpoint server;
        int event_fd;
        bool has_thread, is_stopping;
        pthread_t thread;
        pthread_mutex_t mutex; /* of what follows */
        pthread_cond_t wanted;
        struct list waiting, answered;
        size_t n_waiting;
};

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
                q->n_found = lookup(n->has_server ? &n->server : NULL, &q->name, q->found);
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

int names_new(struct loop *loop, const struct endpoint *server, names_found_fn fn, void *userdata,
              struct names **ret) {
        CLEANUP(names_freep) struct names *n = xnew(struct names);
        int r;

        n->has_server = server != NULL;
        if (server)
                n->server = *server;
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

void names_find(struct names *n, uint64_t number, const struct multiaddr *name) {
        struct question *q = xnew(struct question);
        bool can_ask;

        if (!n->has_thread)
                n->has_thread = pthread_create(&n->thread, NULL, run, n) == 0;
        list_init(&q->link);
        q->number = number;
        q->name = *name;
        (void) pthread_mutex_lock(&n->mutex);
        can_ask = n->has_thread && n->n_waiting < WAITING_MAX;
        list_push_back(can_ask ? &n->waiting : &n->answered, &q->link);
        n->n_waiting += can_ask;
        (void) pthread_cond_signal(&n->wanted);
        (void) pthread_mutex_unlock(&n->mutex);
        if (!can_ask)
                (void) eventfd_write(n->event_fd, 1);
}

#pragma once

/* `quorate run`: the services of one or several nodes, started in order, started
 * again with back-off when they end, stopped in reverse order. Listeners are made
 * once and kept open over restarts. Knows nothing of what services do. */

#include "common/daemon/loop.h"
#include "services/ctl/node.h"

struct supervisor;

struct supervisor_options {
        unsigned workers;
        bool isolate;
        bool accounts; /* a uid for each service; account_is_granted() said so */
        /* One clear line each, for the terminal. May be NULL. */
        void (*say)(void *userdata, const char *line);
        /* Everything is ready, for the first time; or all has ended (code: enum exit_code). */
        void (*ready)(void *userdata);
        void (*ended)(void *userdata, int code);
        void *userdata;
};

enum supervisor_result {
        SUPERVISOR_OK = 0,
        SUPERVISOR_E_REFUSED, /* why is in the error text: one line with the remedy */
};

struct supervisor *supervisor_new(struct loop *loop, const struct supervisor_options *options);
struct supervisor *supervisor_free(struct supervisor *s); /* kills what is left */
DEFINE_CLEANUP(struct supervisor *, supervisor_free);

/* `name` stands before its lines ("node 1"), or NULL. Takes the state directory's lock,
 * makes folders, key and listeners. Returns enum supervisor_result. */
int supervisor_add(struct supervisor *s, const struct node *node, const char *name,
                   char error[256]);
void supervisor_start(struct supervisor *s);
void supervisor_stop(struct supervisor *s);   /* options.ended follows */
void supervisor_reload(struct supervisor *s); /* SIGHUP to all */
/* Names of the layers that keep all services apart ("uid,pid,mount,seccomp"), "" for none. */
const char *supervisor_isolation(const struct supervisor *s, char ret[256]);

#pragma once

/* What supervisor.c and supervisor_node.c share: nodes and their services. */

#include "common/base/list.h"
#include "services/ctl/spawn.h"
#include "services/ctl/supervisor.h"

#define SERVICES_MAX 16

enum supervised_state {
        SUPERVISED_WAITING = 0, /* for those before it, or for its back-off */
        SUPERVISED_STARTING,
        SUPERVISED_READY,
        SUPERVISED_STOPPING,
        SUPERVISED_ENDED,
};

struct supervised_node;

struct supervised {
        struct supervised_node *node;
        enum supervised_state state;
        struct spawn spawn;
        struct spawn_strings strings;
        char instance[32], binary[PATH_MAX], notify[108];
        char *state_dir, *cgroup;
        pid_t pid;
        int notify_fd, report_fd;
        unsigned layers;             /* enum namespace_layer */
        unsigned confined;           /* enum sandbox_layer, as the service says when it is ready */
        unsigned restarts, failures; /* failures: in a row */
        nsec_t ready_since;
        struct loop_source *child, *notify_source, *report_source, *timer;
};

struct supervised_node {
        struct list link;
        struct supervisor *supervisor;
        struct node node;
        char *name;
        int lock_fd, runtime_lock_fd;
        bool accounts; /* a uid for each service */
        bool is_new;   /* its state folder was made by this run */
        struct supervised services[SERVICES_MAX];
        unsigned n_services;
};

/* Folders, locks, key, listeners. Returns enum supervisor_result. */
int supervised_node_init(struct supervised_node *n, unsigned workers, bool isolate,
                         char error[256]);
void supervised_node_done(struct supervised_node *n);
/* Of a run that was refused before anything served: a state folder that it made goes again, with
 * its key, which nobody was told. Before supervised_node_done(). */
void supervised_node_forget(const struct supervised_node *n);
/* "uid,pid,net,…,seccomp": what keeps this service apart, into ret. */
char *supervised_isolation(const struct supervised *s, char ret[256]);
/* runtime/services.json: what runs, for doctor and for tests. */
void supervised_node_publish(const struct supervised_node *n);

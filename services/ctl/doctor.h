#pragma once

/* What doctor looks at: one row per question, in the order of doctor_checks. */

#include "services/ctl/command.h"
#include "services/ctl/node.h"
#include "services/ctl/services_file.h"

enum health {
        HEALTH_OK = 0,
        HEALTH_WARN, /* works, with less */
        HEALTH_FAIL, /* will not work */
};

struct finding {
        enum health health;
        char text[512];        /* what was found */
        char remedy[256];      /* what to do; "" when ok */
        char details[16][440]; /* one line each below it */
        size_t n_details;
};

struct doctor {
        const struct command_context *ctx;
        struct node node;
        bool runs; /* a supervisor of this node is alive */
        struct services_file services;
};

struct doctor_check {
        const char *name;
        void (*look)(struct doctor *d, struct finding *ret);
};
extern const struct doctor_check doctor_node_checks[];    /* end with name NULL */
extern const struct doctor_check doctor_machine_checks[]; /* likewise */

void doctor_look_at_discovery(struct doctor *d, struct finding *f);

void finding_set(struct finding *f, enum health health, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
void finding_detail(struct finding *f, const char *format, ...)
        __attribute__((format(printf, 2, 3)));
void finding_remedy(struct finding *f, const char *format, ...)
        __attribute__((format(printf, 2, 3)));

#pragma once

/* What others are told of datasets here: the names that this node has signed, as its dht keeps and
 * renews them. A name here (Coordinator.DatasetInfo) and one of these may part, and that is said.
 */

#include "services/ctl/dataset.h"

struct shared_names;

/* NULL: the node has no dht, or it does not answer. */
struct shared_names *shared_names_read(const struct command_context *ctx);
struct shared_names *shared_names_free(struct shared_names *s);
DEFINE_CLEANUP(struct shared_names *, shared_names_free);

/* A line each: others find another one under its name; it under others as well; not by its name; or
 * not for long. Nothing where all is as it is here, or where s is NULL. */
void shared_names_text(const struct shared_names *s, const Coordinator__DatasetInfo *d);
/* ,"shared":[{"name":…}] of those that lead to it, null of a NULL; and "shared_elsewhere": the
 * root that others find under its name, where it is another one. */
void shared_names_json(const struct shared_names *s, const Coordinator__DatasetInfo *d);

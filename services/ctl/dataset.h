#pragma once

/* What the verbs of `quorate dataset` share, and what `--data` needs of them. */

#include "common/crypto/hash.h"
#include "common/wire/unpack.h"
#include "proto/coordinator.pb-c.h"
#include "services/ctl/caller.h"
#include "services/ctl/table.h"

struct dataset_options {
        struct option_list from;
        const char *name;
        uint64_t limit;
        nsec_t timeout;
        bool is_public, is_internal, pin, quiet;
};

extern const struct call_target dataset_admin; /* coordinator/admin */

/* ---- dataset_names.c: what a person calls a dataset ---- */

/* How `--data NAME=…` and the verbs name one that is no file: 64 hex digits, LABEL@PEER by the
 * pointer record that this peer signed, LABEL@me by its name here. False: none of these. */
bool dataset_is_reference(const char *text);
/* Its root; asks the DHT or the node where it has to. A name without @ is one of this node.
 * EXIT_OK, or an exit code after complaining for `what`. */
int dataset_resolve(const struct command_context *ctx, const char *what, const char *text,
                    nsec_t timeout, uint8_t ret[HASH_SIZE]);
/* NAME@PEER with a PEER that is none: EXIT_USAGE, after complaining. */
int dataset_complain_peer(const struct command_context *ctx, const char *what, const char *text);
/* As dataset_resolve(), for what takes something away: a root or a name of this node alone. What a
 * peer calls a dataset it may change at any moment, to one that it wants gone. */
int dataset_resolve_here(const struct command_context *ctx, const char *what, const char *text,
                         uint8_t ret[HASH_SIZE]);
/* One to give: not taken for a root, nor for NAME@PEER. EXIT_OK, or EXIT_USAGE after complaining.
 */
int dataset_check_label(const struct command_context *ctx, const char *what, const char *label);
/* Publishes the pointer record LABEL of this node. 0, or -1 with `why`. */
int dataset_point(const struct command_context *ctx, const char *label, const uint8_t *root,
                  nsec_t timeout, uint32_t *ret_stored, char why[256]);
/* Withdraws it when it points to this root; nobody minds if there is none. EXIT_OK, or EXIT_OTHER
 * after complaining: others may still find it. */
int dataset_unpoint(const struct command_context *ctx, const char *label, const uint8_t *root);

/* ---- dataset_view.c ---- */

void dataset_json(const Coordinator__DatasetInfo *d, const char *end);
void dataset_json_open(const Coordinator__DatasetInfo *d); /* without its last brace */
/* Names and types of a table's columns, from its manifest; nothing where there are none. */
void dataset_columns_text(struct bytes schema);
/* Of which dataset it was made, and how; nothing of one that was made of none. */
void dataset_derived_text(const Coordinator__DatasetInfo *d);
void dataset_columns_json(struct bytes schema, bool *first);
extern const struct table_column dataset_columns[];
void dataset_cells(struct table *t, const Coordinator__DatasetInfo *d);
/* "sales moved from ROOT to ROOT", where its name was another one's until now. */
void dataset_moved_text(const Coordinator__DatasetInfo *d);
/* "1.5 MiB", whole bytes below 1 KiB. */
#define DATASET_SIZE_TEXT 24
const char *dataset_size(uint64_t bytes, char ret[DATASET_SIZE_TEXT]);

/* ---- verbs in files of their own; operands[0] is the verb ---- */

int dataset_publish(const struct command_context *ctx);
int dataset_name(const struct command_context *ctx);
int dataset_fetch(const struct command_context *ctx);
int dataset_verify(const struct command_context *ctx);

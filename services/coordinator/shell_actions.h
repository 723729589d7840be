#pragma once

/* One function per action, by the file it lives in; shell.c has the table. Each
 * may take what the action owns. */

#include "services/coordinator/shell.h"

typedef void (*shell_action_fn)(struct shell *s, struct action *a);
void shell_do_open(struct shell *s, struct action *a);
void shell_do_send(struct shell *s, struct action *a);
void shell_do_consumed(struct shell *s, struct action *a);
void shell_do_finish(struct shell *s, struct action *a);
void shell_do_reset(struct shell *s, struct action *a);
void shell_do_sign(struct shell *s, struct action *a);
void shell_do_work(struct shell *s, struct action *a);
void shell_do_work_fetch(struct shell *s, struct action *a);
void shell_do_work_consumed(struct shell *s, struct action *a);
void shell_do_work_release(struct shell *s, struct action *a);
void shell_do_work_cancel(struct shell *s, struct action *a);
void shell_do_journal(struct shell *s, struct action *a);
void shell_do_recall(struct shell *s, struct action *a);
void shell_do_receipt(struct shell *s, struct action *a);
void shell_do_spool_write(struct shell *s, struct action *a);
void shell_do_spool_read(struct shell *s, struct action *a);
void shell_do_spool_drop(struct shell *s, struct action *a);
void shell_do_answer_find(struct shell *s, struct action *a);
void shell_do_answer_keep(struct shell *s, struct action *a);
void shell_do_answer_drop(struct shell *s, struct action *a);
void shell_do_find(struct shell *s, struct action *a);
void shell_do_reply(struct shell *s, struct action *a);
void shell_do_client(struct shell *s, struct action *a);
void shell_do_client_finish(struct shell *s, struct action *a);

/* shell_kept.c: opens the folder (0 or a fault, logged), lets go of it. */
int shell_kept_start(struct shell *s);
const char *shell_kept_name(const struct hash_value *key, char *ret, size_t size);
void shell_kept_stop(struct shell *s);

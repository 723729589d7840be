#pragma once

/* A node made of scripts: sockets of any services, in this process, that answer each
 * method with what the test says, and `quorate` run against them as people call it. */

#include <protobuf-c/protobuf-c.h>

#include "common/base/bytes.h"
#include "common/wire/unpack.h"

struct scripted;

struct scripted *scripted_new(void); /* an empty runtime directory below /tmp */
struct scripted *scripted_free(struct scripted *s);

/* Serves this capability ("dht/lookup") from now on. */
void scripted_serve(struct scripted *s, const char *capability,
                    const ProtobufCServiceDescriptor *service);
/* The same of one that stands still: connections wait, and nobody takes them. */
void scripted_mute(struct scripted *s, const char *capability);
/* The answers of one method ("dht/lookup", "Status"), one after the other; the last one stays.
 * A message is packed at once. Methods without one fail with code 999. */
void scripted_reply(struct scripted *s, const char *capability, const char *method,
                    const void *message);
void scripted_fail(struct scripted *s, const char *capability, const char *method, int code,
                   const char *text);
/* How often it was called, and its latest request, valid until the next run; NULL: never. */
unsigned scripted_calls(const struct scripted *s, const char *capability, const char *method);
const void *scripted_request(struct scripted *s, const char *capability, const char *method);

/* As if `quorate run` were up there: its services.json, with this process as supervisor. */
void scripted_run_file(struct scripted *s);

/* What `quorate` printed in the latest run; valid until the next one. */
const char *scripted_out(const struct scripted *s);
const char *scripted_err(const struct scripted *s);
/* Runs it with the runtime directory and these words, which end with NULL; standard input is
 * `input`, NULL: nothing. Returns its exit code, which the test may not ignore. */
int scripted_run(struct scripted *s, const char *input, const char *const *words);
#define RUN(s, ...) scripted_run((s), NULL, (const char *const[]){ __VA_ARGS__, NULL })

/* Shows all of the text where it fails. */
void assert_has(const char *text, const char *part);
void assert_lacks(const char *text, const char *part);

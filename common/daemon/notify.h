#pragma once

/* What we tell the manager (systemd, or `quorate run`, which speaks the same
 * NOTIFY_SOCKET protocol). Without one, all of these do nothing. */

void notify_ready(void);
void notify_reloading(void); /* notify_ready() ends it */
void notify_stopping(void);
void notify_status(const char *format, ...) __attribute__((format(printf, 1, 2)));

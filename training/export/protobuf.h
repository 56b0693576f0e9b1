/* Protocol Buffers' wire format: fields appended to a message in memory.
 *
 * Thread rule: one thread at a time per message.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

void defcn_protobuf_int (GByteArray *message, int field, gint64 value);
void defcn_protobuf_float (GByteArray *message, int field, float value);
void defcn_protobuf_string (GByteArray *message, int field, const char *text);
void defcn_protobuf_bytes (GByteArray *message, int field, gconstpointer data,
    gsize len);
void defcn_protobuf_message (GByteArray *message, int field,
    const GByteArray *value);
/* What stands before @len bytes of a string, bytes or a message. */
void defcn_protobuf_header (GByteArray *message, int field, guint64 len);

G_END_DECLS

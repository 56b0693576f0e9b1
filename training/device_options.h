/* The options that say where a network runs, for every command that runs one.
 * They are fields of what a detector is opened with; the commands without a
 * detector open a backend from the same.
 *
 * Thread rule: one thread at a time.
 */
#pragma once

#include "backend.h"
#include "detector.h"

G_BEGIN_DECLS

/* Which there are beside --device and --precision; TRAIN is none, but has
 * --precision name those that training takes. */
typedef enum
{
  DEFCN_DEVICE_OPTIONS_THREADS = 1 << 0,
  DEFCN_DEVICE_OPTIONS_EXACT = 1 << 1,
  DEFCN_DEVICE_OPTIONS_AUTOTUNE = 1 << 2,
  DEFCN_DEVICE_OPTIONS_TRAIN = 1 << 3,
  DEFCN_DEVICE_OPTIONS_MAX_EDGE = 1 << 4,
} DefcnDeviceOptionsFlags;

/* Adds the options to the main group of @context, which has its entries and
 * writes into @options when it parses. */
void defcn_device_options_add (DefcnDetectorOptions *options,
    GOptionContext *context, DefcnDeviceOptionsFlags flags);
/* Frees what parsing has written. */
void defcn_device_options_clear (DefcnDetectorOptions *options);

/* The backend of @options.  @model: what it is tuned for, not NULL with
 * autotune.  NULL with @error. */
DefcnBackend *defcn_device_options_open (const DefcnDetectorOptions *options,
    const char *model, GError **error);

G_END_DECLS

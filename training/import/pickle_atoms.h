/* Within the pickle interpreter: the opcodes that spell out one value.
 *
 * Thread rule: one thread at a time per machine.
 */
#pragma once

#include "pickle_machine.h"

G_BEGIN_DECLS

/* Opcodes that push one value, read from the file; FALSE with the error set. */
gboolean defcn_pickle_atoms_bool (DefcnPickleMachine *m, int flag);
/* I and L of protocol 0. */
gboolean defcn_pickle_atoms_decimal (DefcnPickleMachine *m, int is_long);
gboolean defcn_pickle_atoms_int (DefcnPickleMachine *m, int bytes);
/* @bytes: of the length in front of it. */
gboolean defcn_pickle_atoms_long (DefcnPickleMachine *m, int bytes);
gboolean defcn_pickle_atoms_decimal_float (DefcnPickleMachine *m, int unused);
gboolean defcn_pickle_atoms_float (DefcnPickleMachine *m, int unused);
gboolean defcn_pickle_atoms_quoted (DefcnPickleMachine *m, int unused);
gboolean defcn_pickle_atoms_line (DefcnPickleMachine *m, int unused);
/* @bytes: of the length in front of it. */
gboolean defcn_pickle_atoms_bytes (DefcnPickleMachine *m, int bytes);
gboolean defcn_pickle_atoms_global_lines (DefcnPickleMachine *m, int unused);
gboolean defcn_pickle_atoms_global (DefcnPickleMachine *m, int unused);
/* The bytes that text of code points below 256 stands for. */
gboolean defcn_pickle_atoms_latin1 (DefcnPickleMachine *m,
    const DefcnPickleValue *text);

G_END_DECLS

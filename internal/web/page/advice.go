package page

import (
	"strings"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/store"
)

// advice says what a word means, what becomes of it by itself, and what a
// person can do. NAME is the destination's in each text. docs/states.md has the
// long form; a test holds this to the store's closed sets and to its headings.
type advice struct {
	Says     string   // what is so
	Itself   string   // what happens by itself; "" for nothing
	You      string   // what to do
	commands []string // in the order in which they are needed
}

const (
	cmdSync    = "rotatord sync NAME"
	cmdRetry   = "rotatord retry NAME"
	cmdCheck   = "rotatord check NAME"
	cmdStatus  = "rotatord status NAME"
	cmdPush    = "rotatord push --destination NAME"
	cmdResume  = "rotatord resume NAME"
	cmdArchive = "rotatord destinations unarchive NAME"

	asked   = "It is asked again, soon at first, then every 5 min."
	quarter = "It is looked at again, soon at first, then every 15 min."
)

// stateAdvice is for states whose reason says nothing more.
var stateAdvice = map[store.State]advice{
	store.StateNew: {"It is configured and was not looked at yet.", "It is looked at moments after a start.",
		"If this lasts, no daemon is at work: start it, or look once.", []string{"rotatord run", cmdSync}},
	store.StateInSync:  {"Planet accepted the version that the source calls current.", "It is looked at on events and on schedule.", "Nothing.", nil},
	store.StateWaiting: {"A newer version exists and is tried by itself.", "It ends in success, or in a hold.", "Nothing, unless it lasts.", []string{cmdStatus}},
	store.StateUnknown: {"A request was sent to Planet and its answer was lost.", "The same version is sent again, which is harmless.",
		"Don't revoke the old key until this destination is in sync.", nil},
	store.StateFailing: {"The source or Planet can't be used at the moment. Planet keeps what it has.", "It is tried again after 5 s, doubling up to 5 min.",
		"See what the detail names.", []string{cmdSync}},
	store.StateHeld: {"The current version is not pushed. Planet keeps the last one.", "A new version of the secret is tried.",
		"See why, mend it, and say that the cause is gone.", []string{cmdCheck, cmdRetry}},
	store.StateBlocked: {"Nothing can be sent for this destination, whatever the version.", quarter,
		"See why, mend it, and say that the cause is gone.", []string{cmdCheck, cmdRetry}},
	store.StatePaused: {"A person stopped it. Nothing is looked at and nothing is sent; events are still recorded.", "",
		"When it may go on, resume it.", []string{cmdResume}},
}

var reasonAdvice = map[store.Reason]advice{
	store.ReasonSourceNotFound: {"There is no such secret.", asked,
		"Check the name of the secret in the configuration, or create the secret.", []string{cmdSync}},
	store.ReasonSourceDenied: {"rotatord may not read the secret.", asked,
		"Let rotatord's user or role read the secret. For files: the user it runs as, the mode, and the directories on the way.", []string{cmdRetry}},
	store.ReasonSourceDisabled: {"The secret is disabled, is to be deleted, or has no current version.", asked,
		"Enable the secret, or give it a current version.", []string{cmdSync}},
	store.ReasonSourceInvalid: {"What lies there can't be a secret.", asked,
		"Put a secret of a supported form there, or correct its name.", []string{cmdCheck}},
	store.ReasonSourceThrottled: {"The secret manager asks to slow down.", "It is tried again, more slowly.",
		"Nothing, unless it lasts: then look less often (schedule), or get a higher quota there.", nil},
	store.ReasonSourceUnavailable: {"The secret manager does not answer, or fails.", asked,
		"See whether the secret manager can be reached from here, and its own status.", []string{cmdSync}},
	store.ReasonVersionGone: {"The version that was current a moment ago can't be read any more.", "The current version is asked for again.",
		"Nothing, unless it lasts: then rotate the secret once more, or restore that version.", nil},
	store.ReasonValueInvalid: {"The value does not fit the destination's type. Planet and the bucket never saw it.", "A new version of the secret is tried at once; this one is not.",
		"Put a value that fits the destination's type there, or set map in the configuration.", []string{cmdCheck, cmdRetry}},
	store.ReasonPropagation: {"The bucket refuses the new credential, which may be too new to be known everywhere.", "It is tried again after 2 s, doubling up to 2 min, until the propagation window has passed.",
		"Nothing yet: new keys take a while to work.", nil},
	store.ReasonPreflightRefused: {"The bucket refuses the new credential. Planet never saw it and keeps the old one.", "It is tried again every 15 min, so a permission that somebody grants is found.",
		"Give the new key the permissions that the detail names, or rotate again. Don't revoke the old key: Planet still uses it.", []string{cmdCheck, cmdRetry}},
	store.ReasonPreflightInconclusive: {"The bucket could not be asked whether the new credential works. Planet never saw it.", "It is tried again, every 15 min once it is held.",
		"Let rotatord reach the bucket, or set preflight = \"advisory\" if only Planet can reach it.", []string{cmdCheck, cmdRetry}},
	store.ReasonPreflightUnsupported: {"This rotatord has no access to buckets of this type, so it can't try the credential.", "",
		"Set preflight = \"advisory\" for this destination.", nil},
	store.ReasonPlanetRefused: {"Planet refused this version. What Planet holds now is not known.", "Inside the propagation window it is sent again; with restore_previous the last accepted version is sent back.",
		"Read Planet's sentence in the detail; it is often a bucket policy on addresses. Mend that and retry, or put a good version into the secret. Keep the old key alive.", []string{cmdRetry}},
	store.ReasonRestoreFailed: {"Planet refused this version, and the previous one could not be put back. Planet may hold no working credential: deliveries may be failing now.", "Inside the propagation window the new version is still tried; after it nothing is sent.",
		"Put working credentials into the secret: they are sent at once. Or mend what Planet says and retry.", []string{cmdRetry}},
	store.ReasonPlanetThrottled: {"Planet asks to slow down.", "It is tried again when Planet allows it.",
		"Nothing, unless it lasts: then somebody else uses this account's requests.", nil},
	store.ReasonPlanetUnavailable: {"Planet did not answer, and nothing was sent.", "It is tried again after 5 s, doubling up to 5 min.",
		"See whether Planet can be reached from here: network, proxy, certificates, and the file or variable of the API key.", []string{cmdSync}},
	store.ReasonOutcomeUnknown: {"A request was sent to Planet and its answer was lost. It may have taken effect, or may yet.", "The same version is sent again after 5 s, doubling up to 5 min, which is harmless.",
		"Nothing. Don't revoke the old key until this destination is in sync.", nil},
	store.ReasonFence: {"An earlier request of another version got no answer and may still take effect.", "It is sent when Planet's longest verification has passed.",
		"Nothing.", nil},
	store.ReasonRollout: {"Another destination of the same secret goes first.", "It goes on when the first destination of the secret has proved the version.",
		"Nothing.", nil},
	store.ReasonRolloutStopped: {"The version failed for the destination that went first, so this one was spared and has the version before.", "A newer version of the secret is tried.",
		"See to the destination that the detail names, and retry that one; or put a good version into the secret. Don't revoke the old key.", nil},
	store.ReasonAccountBlocked: {"Planet refuses the API key itself. Nothing can be sent for any destination of the account.", "The key is tried after 1 min, doubling up to 15 min.",
		"Give rotatord a valid API key. One in a file is read again by itself; one in an environment variable needs a restart.", []string{cmdRetry}},
	store.ReasonNotWritable: {"The API key's user is neither the destination's owner nor an admin of the organization.", quarter,
		"Use the API key of the destination's owner or of an organization admin.", []string{cmdRetry}},
	store.ReasonVanished: {"Planet knows no destination of this name.", "It is looked at again after 15 min at the latest; a rename is followed.",
		"Correct the name in the configuration, use the right account, or remove the entry.", []string{cmdRetry}},
	store.ReasonAmbiguous: {"The configured name fits several destinations.", quarter,
		"Name the destination by its full id in the configuration.", nil},
	store.ReasonDuplicate: {"Two entries of the configuration lead to one destination and would overwrite each other.", quarter,
		"Remove one of the two entries from the configuration.", nil},
	store.ReasonPinMismatch: {"The type or a structural parameter is not what it was when rotatord first saw this destination: the name may lead to something else now.", "Nothing is sent. " + quarter,
		"See whether this still is the destination you mean; if so, say it with a retry. If not, find out who changed it.", []string{cmdCheck, cmdRetry}},
	store.ReasonUnsupported: {"The destination is of a type that this rotatord does not know.", quarter,
		"Remove the entry, or use a rotatord that knows the type.", nil},
	store.ReasonInternal: {"The record of this destination can't be read or written. All others go on.", "It is tried again every 15 s.",
		"See the log. A retry makes the record anew, which means preflight and one push. If it lasts, report it with the log's lines.", []string{cmdRetry}},
}

var conditionAdvice = map[store.Condition]advice{
	store.ConditionRejected: {"The bucket does not take the credential that Planet holds any more: every delivery fails, now.", "It ends when the credential works again, or when Planet accepts another one.",
		"Undo what disabled the key, or rotate the secret.", []string{cmdSync}},
	store.ConditionExpired: {"The credential that Planet holds has ended: deliveries fail since then.", "It ends with the next accepted version.",
		"Rotate the secret now. If only the secret manager's date has passed and the key still works, correct the date there.", []string{cmdSync}},
	store.ConditionDeliveriesFailing: {"Deliveries have failed for what looks like the credential, and the next will.", "It ends when another version is accepted.",
		"See what Planet says of them, under \"Deliveries that failed\" on the destination's page. Let the key write to the whole prefix that orders use, or rotate the secret; then order again what failed.", []string{cmdStatus}},
	store.ConditionLeftover: {"Planet's last check left its object in the bucket, so the credential may not delete. Deliveries go on; the gate stays shut.", "It stays until another credential is accepted, also when the object is removed.",
		"Let the key delete objects, remove the leftover from the bucket, and send the credential again.", []string{cmdPush}},
	store.ConditionExpiresUnreplaced: {"The credential ends before the secret manager plans to replace it. Deliveries stop on that day.", "It ends when the plan or the credential changes.",
		"Rotate the secret before that day, or let the secret manager do so earlier.", nil},
	store.ConditionDrift: {"Somebody else has changed the destination at Planet. Whether it still holds the right credential can't be seen; the gate stays shut.", "It ends with the next accepted request of ours; with on_drift = \"push\" that is sent by itself.",
		"Find out who did, and whether it was meant. A push sends the right credential again and settles this.", []string{cmdPush}},
	store.ConditionParametersChanged: {"Parameters that are no credential were different after a request of ours.", "It is forgotten once Planet shows the old values again.",
		"See whether the change was meant: set it back at Planet, or acknowledge it with a retry.", []string{cmdRetry}},
	store.ConditionOldLeftover: {"An object of an earlier check lies in the bucket, from before the last push. Nothing breaks.", "With cleanup_secret rotatord removes it.",
		"Remove it from the bucket. If it comes back, let the key delete objects.", nil},
	store.ConditionUnproven: {"Planet holds a credential that preflight has not passed. Perhaps nothing is wrong.", "It ends with a version that passes.",
		"Nothing, or set preflight = \"required\".", nil},
	store.ConditionArchived: {"Planet says that the destination is archived: it takes no new orders. Its credential is still rotated.", "It ends when somebody brings it back.",
		"Nothing if it was meant. Else bring it back; or remove the entry when the destination is done with.", []string{cmdArchive}},
}

// doubtAdvice is for a credential that was refused once.
var doubtAdvice = advice{"The bucket refused the credential that Planet holds, once.", "It is tried again after a minute; a second refusal is the condition credential_rejected.",
	"Nothing yet.", []string{cmdSync}}

// noteAdvice is for what events told of a secret.
var noteAdvice = map[credential.EventKind]advice{
	credential.EventRotationFailed: {"The secret manager could not rotate the secret.", "It ends with the next version.",
		"See to the rotation of the secret at its source.", nil},
	credential.EventRotationAbandoned: {"The secret manager has given up rotating the secret.", "It ends with the next version.",
		"See to the rotation of the secret at its source.", nil},
	credential.EventNearExpiry: {"The current version of the secret will expire soon.", "It ends with the next version.",
		"Rotate the secret at its source.", nil},
	credential.EventExpired: {"The current version of the secret has expired.", "It ends with the next version.",
		"Rotate the secret at its source, now.", nil},
}

// commandsFor gives the commands with the destination's name, fit for a shell.
func (a advice) commandsFor(destination string) []string {
	out := make([]string, 0, len(a.commands))
	for _, c := range a.commands {
		out = append(out, strings.ReplaceAll(c, "NAME", shellWord(destination)))
	}
	return out
}

// shellWord quotes a name that a shell would take apart: it is copied from the
// page, and may come from anywhere.
func shellWord(s string) string {
	s = clean(s)
	odd := func(r rune) bool { return r > 127 || !strings.ContainsRune(plainRunes, r) }
	if s != "" && strings.IndexFunc(s, odd) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

const plainRunes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:@"

package app

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/rotatord/rotatord/planet/planettest"
)

// Switch is one thing about the simulator that can be set by name.
type Switch struct {
	Name  string // "refuse-status"
	Value string // what it takes: "400|409|422", "duration"; empty for on and off
	Help  string
}

// behaviourSwitches say of each field of planettest.Behaviour what it takes
// and does. Network has none: it acts in memory only.
var behaviourSwitches = map[string]Switch{
	"RefuseStatus":          {Value: "400|409|422", Help: "answer to credentials that failed verification"},
	"TellStepApart":         {Help: "the refusal says whether write or delete failed"},
	"DeleteFailureRefuses":  {Help: "refuse credentials that can write and not delete"},
	"VerifyDelay":           {Value: "duration", Help: "verification takes this much longer"},
	"VerifyOnCreateOnly":    {Help: "a PATCH is taken without verification"},
	"RepeatSkipsVerify":     {Help: "the credentials already stored are not verified again"},
	"LeftoverLinger":        {Value: "duration", Help: "planetverify.txt stays this long after the answer"},
	"AbandonOnDisconnect":   {Help: "a request whose client hung up has no effect"},
	"LoseOnRefusal":         {Help: "refused credentials have replaced the old ones"},
	"UpdatedMovesOnRefusal": {Help: "a refused PATCH moves \"updated\""},
	"ResetOptional":         {Help: "a boolean that a PATCH leaves out becomes false"},
	"OmitFalseOptional":     {Help: "answers leave out booleans that are false"},
	"RenameChangesID":       {Help: "a rename gives a new id"},
	"RefuseArchivedModify":  {Help: "an archived destination takes no new parameters"},
	"CreateStatus":          {Value: "201|202", Help: "answer to a create"},
	"ModifyStatus":          {Value: "200|202|204", Help: "answer to a PATCH"},
	"ModifyEmptyBody":       {Help: "a PATCH is answered without a body"},
	"NonOwnerStatus":        {Value: "401|403", Help: "answer to who may not write"},
	"QuotaStatus":           {Value: "400|403|409|422", Help: "answer beyond the quota"},
	"OwnerSetsDefault":      {Help: "owners, too, may make a destination the default"},
	"OmitDefault":           {Help: "destinations do not say whether they are the default"},
	"ArchivedTrueMeansOnly": {Help: "archived=true lists archived ones only"},
	"ETags":                 {Help: "send ETag and heed If-Match"},
	"RetryAfter":            {Value: "seconds|date|absent", Help: "form of the header of a 429"},
	"CountRejected":         {Help: "requests answered 429 count towards the limit"},
}

var faultSwitches = map[string]Switch{
	"TooMany":     {Value: "0..1", Help: "429"},
	"ServerError": {Value: "0..1", Help: "500 to 504, half of them after taking effect"},
	"CutBefore":   {Value: "0..1", Help: "cut, without effect"},
	"CutAfter":    {Value: "0..1", Help: "cut, after taking effect"},
	"CutLate":     {Value: "0..1", Help: "cut, takes effect later"},
	"Slow":        {Value: "0..1", Help: "takes longer"},
	"Junk":        {Value: "0..1", Help: "takes effect, the answer makes no sense"},
	"MaxDelay":    {Value: "duration", Help: "bound of what is late or slow; 10s unless set"},
}

// deliverySwitches say the same of planettest.DeliveryOptions. Its Deliverer has
// none: it is one over all kinds of buckets.
var deliverySwitches = map[string]Switch{
	"Hold":           {Value: "duration", Help: "a delivery takes this long, with one credential"},
	"Files":          {Value: "number", Help: "files of a delivery; 1"},
	"Interval":       {Value: "duration", Help: "time between a subscription's deliveries; 10m"},
	"Jitter":         {Value: "duration", Help: "a delivery starts up to this much later"},
	"Queue":          {Value: "duration", Help: "an order stays queued this long"},
	"PerSecond":      {Value: "number", Help: "requests a second to each of the two APIs; 3"},
	"PageSize":       {Value: "number", Help: "items of a page of a list; 20"},
	"HideCause":      {Help: "orders and results don't say what the cloud said"},
	"HideRefs":       {Help: "answers don't show where something is delivered"},
	"FilterResolves": {Help: "destination_ref finds other references as well"},
}

// Switches list what can be set of the simulator's behaviour, in the order of
// planettest.Behaviour.
func Switches() []Switch {
	return listSwitches(reflect.TypeFor[planettest.Behaviour](), behaviourSwitches)
}

// Faults list what can go wrong by chance in the simulator: the probability,
// from 0 to 1, that a request meets it.
func Faults() []Switch {
	return listSwitches(reflect.TypeFor[planettest.FaultRates](), faultSwitches)
}

// Deliveries list what can be set of how the simulator delivers.
func Deliveries() []Switch {
	return listSwitches(reflect.TypeFor[planettest.DeliveryOptions](), deliverySwitches)
}

func listSwitches(t reflect.Type, known map[string]Switch) []Switch {
	var list []Switch
	for i := range t.NumField() {
		if s, ok := known[t.Field(i).Name]; ok {
			s.Name = kebab(t.Field(i).Name)
			list = append(list, s)
		}
	}
	return list
}

// kebab writes LoseOnRefusal as lose-on-refusal, RenameChangesID as
// rename-changes-id and ETags as e-tags.
func kebab(name string) string {
	var b strings.Builder
	runes := []rune(name)
	for i, r := range runes {
		if unicode.IsUpper(r) && i > 0 && (unicode.IsLower(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1])) {
			b.WriteByte('-')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// setSwitches sets the fields of *into that list names, as "name=value" or,
// for one that is on or off, as "name".
func setSwitches(into any, known map[string]Switch, list []string) error {
	v := reflect.ValueOf(into).Elem()
	for _, item := range list {
		name, value, given := strings.Cut(item, "=")
		field, ok := v.Type().FieldByNameFunc(func(f string) bool { _, is := known[f]; return is && kebab(f) == name })
		if !ok {
			return fmt.Errorf("the simulator has no switch %q; the help lists them", name)
		}
		s := known[field.Name]
		if !given && s.Value != "" {
			return fmt.Errorf("the switch %s needs a value: %s=%s", name, name, s.Value)
		}
		if err := setField(v.FieldByIndex(field.Index), s, value, given); err != nil {
			return fmt.Errorf("the switch %s takes %w", name, err)
		}
	}
	return nil
}

// maxNumber bounds a switch that is a number.
const maxNumber = 1_000_000

// setField gives as its error what the field takes.
func setField(f reflect.Value, s Switch, value string, given bool) error {
	switch f.Addr().Interface().(type) {
	case *bool:
		on, err := strconv.ParseBool(value)
		if given && err != nil {
			return errors.New("true or false")
		}
		f.SetBool(on || !given)
	case *time.Duration:
		d, err := time.ParseDuration(value)
		if err != nil || d < 0 {
			return errors.New(`a duration such as "1.5s" or "2m"`)
		}
		f.SetInt(int64(d))
	case *float64:
		p, err := strconv.ParseFloat(value, 64)
		if err != nil || !(p >= 0 && p <= 1) {
			return errors.New("a probability from 0 to 1")
		}
		f.SetFloat(p)
	default: // a number, or one of the values that the switch lists
		if s.Value == "number" {
			n, err := strconv.Atoi(value)
			if err != nil || n < 1 || n > maxNumber {
				return fmt.Errorf("a number from 1 to %d", maxNumber)
			}
			f.SetInt(int64(n))
			return nil
		}
		for i, allowed := range strings.Split(s.Value, "|") {
			if allowed != value {
				continue
			}
			n, err := strconv.Atoi(value)
			if err != nil {
				n = i // the names stand in the order of the constants
			}
			f.SetInt(int64(n))
			return nil
		}
		return errors.New("one of " + strings.ReplaceAll(s.Value, "|", ", "))
	}
	return nil
}

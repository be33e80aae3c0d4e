package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/store"
)

// receipts describes what was found of each secret as a whole. It is a note
// and not the gate: a rotation job asks "rotatord gate", which finds out anew.
type receipts struct {
	info, at, opens               *prometheus.Desc
	safe, safeAt                  *prometheus.Desc
	marked, withdrawn, withdrawal *prometheus.Desc
}

func newReceipts() receipts {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, append([]string{"secret"}, labels...), nil)
	}
	return receipts{
		info: desc("rotatord_receipt_info",
			"Always 1. The version that every destination of the secret had accepted when that was last found. No series before the first.", "version"),
		at: desc("rotatord_receipt_timestamp_seconds",
			"When the last of the secret's destinations accepted that version."),
		opens: desc("rotatord_receipt_opens_timestamp_seconds",
			"From when on no delivery can hold an older credential of the secret any more."),
		safe: desc("rotatord_receipt_safe",
			"1 if what came before that version may be revoked, as last found, else 0. To act on it ask rotatord gate, which finds out anew."),
		safeAt: desc("rotatord_receipt_safe_timestamp_seconds",
			"When it was found that what came before may be revoked. No series while rotatord_receipt_safe is 0."),
		marked: desc("rotatord_receipt_marked_timestamp_seconds",
			"When the version was written back to the secret manager as in use everywhere. No series before that."),
		withdrawn: desc("rotatord_receipt_withdrawn",
			"1 while the receipt is not true any more, since its version was rolled back, a destination was added or is blocked, or a leftover was found, else 0."),
		withdrawal: desc("rotatord_receipt_withdrawn_timestamp_seconds",
			"Since when the receipt has not been true any more. No series while rotatord_receipt_withdrawn is 0."),
	}
}

func (p *receipts) all() []*prometheus.Desc {
	return []*prometheus.Desc{p.info, p.at, p.opens, p.safe, p.safeAt, p.marked, p.withdrawn, p.withdrawal}
}

// collectReceipts shows those of secrets that are configured now. A secret's
// name is not shortened: it is what tells one series from another.
func (c *collector) collectReceipts(ch chan<- prometheus.Metric, all []store.Receipt) {
	p := &c.receipts
	for _, r := range all {
		secret := string(r.Secret)
		if !c.secrets[secret] {
			continue
		}
		withdrawn := !r.Withdrawn.IsZero()
		safe := !r.Safe.IsZero() && !withdrawn
		gauge(ch, p.info, 1, secret, clean(r.Version))
		when(ch, p.at, r.At, secret)
		when(ch, p.opens, r.Opens, secret)
		gauge(ch, p.safe, yes(safe), secret)
		if safe {
			when(ch, p.safeAt, r.Safe, secret)
		}
		when(ch, p.marked, r.Marked, secret)
		gauge(ch, p.withdrawn, yes(withdrawn), secret)
		when(ch, p.withdrawal, r.Withdrawn, secret)
	}
}

// secretLabel spells a destination's secret as the receipts do, so that the
// two can be joined.
func (c *collector) secretLabel(s credential.Secret) string {
	if c.secrets[string(s)] {
		return string(s)
	}
	return clean(string(s))
}

// destinationQuota is how many destinations Planet lets an organization have;
// archived ones do not count. The number is from Planet's documentation of
// Destinations; no answer of the API tells it.
const destinationQuota = 50

// organizations describes how full the account's organization is.
type organizations struct {
	active, quota *prometheus.Desc
}

func newOrganizations() organizations {
	return organizations{
		active: prometheus.NewDesc("rotatord_account_destinations",
			"Destinations that count towards the quota of the account's organization, as Planet last listed them. No series while that is not known.", []string{"account"}, nil),
		quota: prometheus.NewDesc("rotatord_account_destinations_quota",
			"How many destinations Planet lets the account's organization have. Accounts of one organization share it.", []string{"account"}, nil),
	}
}

func (c *collector) collectAccount(ch chan<- prometheus.Metric, a store.Account) {
	gauge(ch, c.blocked, yes(!a.BlockedSince.IsZero()), a.Name)
	when(ch, c.blockedSince, a.BlockedSince, a.Name)
	if a.Active > 0 {
		gauge(ch, c.organizations.active, float64(a.Active), a.Name)
	}
	gauge(ch, c.organizations.quota, destinationQuota, a.Name)
}

// Package helm holds the chart in helm/rotatord against helm itself and
// against Kubernetes' own types. Every feature is rendered on and off, and what
// comes out is decoded strictly: a field that Kubernetes does not know, or one
// in the wrong place, is an error as it would be at the API server. What must
// not be installed has to be refused in words that say what to write instead.
//
//	scripts/helm-tools && cd integration && go test ./helm
//
// builds helm once. With ROTATORD_KUBE=1 a real kube-apiserver with its etcd is
// built too and asked to take every object; "make test-kube" does that.
//
//	cd integration && ../scripts/kube-node go test -count=1 -run TestARealNode ./helm
//
// lets the chart run, on a node that lasts as long as the test: as root.
package helm

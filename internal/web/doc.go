// Package web is what rotatord says over HTTP. There are two doors.
//
// The admin listener ([Admin]) tells whether the daemon lives, whether it is
// ready, and its metrics. It is meant for machines inside of the house, a
// Prometheus, a kubelet, an operator with curl, and asks nobody for a password.
// Therefore it can only be asked: nothing there changes anything, and nothing
// there is secret.
//
// The local socket ([API]) is for the person at the machine and may do what
// only that person may: sync, retry, pause. The file system guards it.
//
// Alive and ready are two questions. A process that is not alive should be
// restarted; one that is not ready should be waited for. Whatever a restart
// can't mend, a store on a full disk or a Planet that is down, must never make
// a process look dead, or an orchestrator would add a loop of restarts to the
// trouble that there is.
package web

// Keeps the page as it is recorded: asks for it again when the server says that something has changed,
// and exchanges the parts that differ. Without this script the page is complete, and as old as it says.
(function () {
  'use strict';
  var stream = document.body.dataset.stream;
  var own = document.body.dataset.destination;
  var live = document.getElementById('live');
  var word = document.getElementById('live-word');
  var announce = document.getElementById('announce');
  if (!stream || !window.EventSource || !window.fetch) { return; }

  var quiet = 300;       // ms: changes come in groups
  var gap = 1000;        // ms: at least so long between two questions
  var ages = 30000;      // ms: so that "3 min ago" stays true
  var last = 0, timer = 0, busy = false, again = false, missed = false;

  function say(state, text) {
    if (live.dataset.live === state) { return; }
    live.dataset.live = state;
    word.textContent = text;
  }

  // What was announced last; only another sentence is said again.
  function sentence(root) {
    var e = root.querySelector('[data-announce]');
    var text = e ? e.textContent.replace(/\s+/g, ' ').trim() : '';
    return text.replace(/\s*for \d+ .*$/, '');
  }
  var said = sentence(document);

  // The focus goes to the same link in the new part.
  function placeOf(part) {
    var e = document.activeElement;
    if (!e || !part.contains(e)) { return null; }
    var all = part.querySelectorAll(e.tagName);
    return { tag: e.tagName, href: e.getAttribute('href'), n: Array.prototype.indexOf.call(all, e) };
  }
  function focusAgain(part, place) {
    if (!place) { return; }
    var all = Array.prototype.slice.call(part.querySelectorAll(place.tag));
    var same = all.filter(function (e) { return e.getAttribute('href') === place.href; });
    var e = all[place.n];
    if (place.href && same.length && same.indexOf(e) < 0) { e = same[0]; }
    if (e) { e.focus({ preventScroll: true }); }
  }

  // Somebody who marks a text to copy it must not lose it.
  function marked(part) {
    var s = window.getSelection();
    return s && !s.isCollapsed && s.rangeCount > 0 && s.getRangeAt(0).intersectsNode(part);
  }

  function mark(oldPart, newPart) {
    var revs = {};
    oldPart.querySelectorAll('tr[data-key]').forEach(function (r) { revs['k' + r.dataset.key] = r.dataset.rev; });
    newPart.querySelectorAll('tr[data-key]').forEach(function (r) {
      var rev = revs['k' + r.dataset.key];
      if (rev !== undefined && rev !== r.dataset.rev) { r.classList.add('changed'); }
    });
  }

  function parts(root) {
    return Array.prototype.map.call(root.querySelectorAll('[data-part]'), function (e) { return e.dataset.part; }).join();
  }

  function exchange(text) {
    var next = new DOMParser().parseFromString(text, 'text/html');
    var script = document.querySelector('script[src]').getAttribute('src');
    var newer = next.querySelector('script[src]');
    if (!newer || newer.getAttribute('src') !== script) { location.reload(); return; } // another rotatord
    if (parts(next) !== parts(document)) { location.reload(); return; } // the first destination, or none any more
    document.querySelectorAll('[data-part]').forEach(function (part) {
      var fresh = next.querySelector('[data-part="' + part.dataset.part + '"]');
      if (!fresh || part.isEqualNode(fresh)) { return; }
      if (marked(part)) { missed = true; return; }
      var place = placeOf(part);
      var scrolls = Array.prototype.map.call(part.querySelectorAll('.scroll'), function (e) { return e.scrollLeft; });
      mark(part, fresh);
      fresh = document.adoptNode(fresh);
      part.replaceWith(fresh);
      fresh.querySelectorAll('.scroll').forEach(function (e, n) { e.scrollLeft = scrolls[n] || 0; });
      focusAgain(fresh, place);
    });
    document.title = next.title;
    var now = sentence(document);
    if (now !== said) { said = now; announce.textContent = now; }
  }

  function ask() {
    timer = 0;
    if (busy) { again = true; return; }
    if (document.hidden) { missed = true; return; }
    busy = true; missed = false; last = Date.now();
    fetch(location.href, { cache: 'no-store', credentials: 'same-origin', headers: { Accept: 'text/html' } })
      .then(function (r) {
        if (!r.ok) { throw new Error('status ' + r.status); }
        return r.text();
      })
      .then(exchange)
      .catch(function () { say('lost', 'Reconnecting'); missed = true; })
      .then(function () {
        busy = false;
        if (again) { again = false; soon(); }
      });
  }

  function soon() {
    if (!timer) { timer = setTimeout(ask, Math.max(quiet, last + gap - Date.now())); }
  }

  var source = null, wait = 2000;
  function connect() {
    source = new EventSource(stream);
    source.onopen = function () {
      wait = 2000;
      say('on', 'Live');
      soon(); // what happened while nobody listened
    };
    source.addEventListener('status', function (e) {
      var names = [];
      try { names = JSON.parse(e.data).destinations || []; } catch (_) { names = []; }
      if (own === undefined || names.length === 0 || names.indexOf(own) >= 0) { soon(); }
    });
    source.onerror = function () {
      say('lost', 'Reconnecting');
      if (source.readyState === EventSource.CLOSED) { // the browser has given up, we have not
        setTimeout(connect, wait);
        wait = Math.min(wait * 2, 60000);
      }
    };
  }
  // A page that is left lets go of its connection; one that comes back takes it up.
  window.addEventListener('pagehide', function () { if (source) { source.close(); } });
  window.addEventListener('pageshow', function (e) { if (e.persisted) { connect(); } });
  document.addEventListener('visibilitychange', function () { if (!document.hidden && missed) { soon(); } });
  setInterval(function () { if (!document.hidden) { soon(); } }, ages);
  connect();
})();

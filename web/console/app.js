/* The console's frame: who is signed in, which page the address names, and the navigation around it. */

import { onSignedOut, readSession, readStatus, signOut } from "./api.js";
import { RegistrationsPage } from "./approvals.js";
import { AuditPage } from "./audit.js";
import { CustomersPage } from "./customers.js";
import { ExplainPage } from "./explain.js";
import { FindingsPage } from "./findings.js";
import { Names, readNames } from "./names.js";
import { PartnersPage } from "./partners.js";
import { ProducersPage } from "./producers.js";
import { RecordPage } from "./record.js";
import { RegistrationPage } from "./registration.js";
import { RejectsPage } from "./rejects.js";
import { SignIn } from "./signin.js";
import { StatusPage } from "./status.js";
import { TenantsPage } from "./tenants.js";
import { ProvidersPage } from "./tenants-providers.js";
import { Component, ErrorBox, Icon, Loading, html, render } from "./ui.js";
import { UsagePage } from "./usage.js";

/* Every page: where it is, who may see it, and under which heading the navigation lists it. The first page that
 * a person may see is their start page. Those of the stamp are not there in a server of the commercial side alone. */
const PAGES = [
  { path: "usage", title: "Usage", section: "Metering", roles: ["operator", "tenant"], ofStamp: true, view: UsagePage },
  { path: "producers", title: "Producers", section: "Metering", roles: ["operator"], ofStamp: true, view: ProducersPage },
  { path: "rejects", title: "Rejects", section: "Metering", roles: ["operator"], ofStamp: true, view: RejectsPage },
  { path: "findings", title: "Findings", section: "Metering", roles: ["operator"], ofStamp: true, view: FindingsPage },
  { path: "registrations", title: "Registrations", section: "Billing", roles: ["commerce"], view: RegistrationsPage },
  { path: "customers", title: "Customers", section: "Billing", roles: ["commerce"], view: CustomersPage },
  { path: "tenants", title: "Tenants", section: "Billing", roles: ["operator", "commerce"], view: TenantsPage },
  { path: "partners", title: "Partners", section: "Billing", roles: ["commerce"], view: PartnersPage },
  { path: "registration", title: "Registration", section: "Billing", roles: ["operator"], ofStamp: true, view: RegistrationPage },
  { path: "providers", title: "Providers", section: "Billing", roles: ["operator"], ofStamp: true, view: ProvidersPage },
  { path: "status", title: "Status", section: "Server", roles: ["operator"], view: StatusPage },
  { path: "audit", title: "Audit log", section: "Server", roles: ["operator", "commerce"], view: AuditPage },
  // Reached from other pages; the navigation shows where they belong.
  { path: "explain", title: "Behind a figure", of: "usage", roles: ["operator", "tenant"], ofStamp: true, view: ExplainPage },
  { path: "record", title: "Record", of: "usage", roles: ["operator", "tenant"], ofStamp: true, view: RecordPage },
];

const pagesOf = ({ role, withoutStamp }) => PAGES.filter((page) => page.roles.includes(role) && !(page.ofStamp && withoutStamp));

/* "#/usage?range=today" to {path: "usage", query: "range=today"} */
function readAddress() {
  const [path, ...query] = location.hash.replace(/^#\/?/, "").split("?");
  return { path, query: query.join("?") };
}

/** Goes to an address of the console; replace leaves no step in the browser's history. */
function go(href, { replace = false } = {}) {
  if (href === location.hash) return;
  if (replace) {
    history.replaceState(null, "", href);
    dispatchEvent(new Event("hashchange"));
  } else {
    location.hash = href;
  }
}

class App extends Component {
  constructor() {
    super();
    this.state = { session: undefined, names: null, failure: null, notice: "", address: readAddress(), menu: false };
  }

  componentDidMount() {
    addEventListener("hashchange", () => this.arrive());
    onSignedOut(() => {
      if (this.state.session) this.setState({ session: null, notice: "The session has ended. Sign in again." });
    });
    this.begin();
  }

  componentDidUpdate(_, before) {
    const page = this.page();
    document.title = page ? `${page.title} - Stampmeter` : "Stampmeter";
    // A new page is announced by moving the focus to its heading; a changed filter is not a new page.
    const moved = before.address.path !== this.state.address.path && this.state.session === before.session;
    if (moved) document.querySelector("main h1")?.focus();
  }

  async begin() {
    this.setState({ failure: null });
    try {
      await this.enter(await readSession());
    } catch (failure) {
      this.setState({ failure });
    }
  }

  async enter(session) {
    // Which roles the server has decides about pages of operators only, and only they may ask.
    const withoutStamp = session?.role === "operator" && (await readStatus().then(({ role }) => role === "commerce", () => false));
    const names = session && (session.role === "commerce" || withoutStamp ? new Names() : await readNames());
    this.setState({ session: session && { ...session, withoutStamp }, names, notice: "" });
  }

  async leave() {
    try {
      await signOut();
    } catch (failure) {
      // Signed out already is what was wanted; anything else has to be seen.
      if (failure.status !== 401) return this.setState({ failure });
    }
    this.setState({ session: null, names: null, notice: "You are signed out.", menu: false });
  }

  arrive() {
    this.setState({ address: readAddress(), menu: false });
  }

  page() {
    const { session, address } = this.state;
    if (!session) return null;
    const pages = pagesOf(session);
    return pages.find((page) => page.path === address.path) ?? (address.path === "" ? pages[0] : null);
  }

  render() {
    const { session, names, failure, notice, address } = this.state;
    if (failure) {
      return html`<main class="lonely"><h1>Stampmeter</h1>
        <${ErrorBox} error=${failure} title="The console cannot start" onRetry=${() => this.begin()} /></main>`;
    }
    if (session === undefined) return html`<main class="lonely"><${Loading} what="the session" /></main>`;
    if (session === null) {
      return html`<${SignIn} notice=${notice} onSignedIn=${() => this.begin()} />`;
    }
    const page = this.page();
    return html`
      <a class="skip-link" href="#main" onClick=${(event) => {
        event.preventDefault(); // the address after # names the page, so the jump is made by hand
        document.getElementById("main").focus();
      }}>Skip to content</a>
      ${this.sidebar(page)}
      <main id="main" tabindex="-1">
        ${page
          ? html`<${page.view} session=${session} names=${names} query=${address.query} go=${go} />`
          : html`<h1 tabindex="-1">No such page</h1>
              <p>There is nothing at this address for your role. Go to
              ${" "}<a href="#/${pagesOf(session)[0].path}">the start page</a>.</p>`}
      </main>`;
  }

  sidebar(page) {
    const { session, menu } = this.state;
    const pages = pagesOf(session);
    const sections = [...new Set(pages.map((each) => each.section).filter(Boolean))];
    const current = (each) => (each === page ? "page" : each.path === page?.of ? "true" : undefined);
    return html`
      <header class="sidebar">
        <div class="brand-row">
          <a class="brand" href="#/${pages[0].path}"><img src="/icon.svg" alt="" width="28" height="28" />Stampmeter</a>
          <button type="button" class="button quiet icon-button menu-button" aria-label="Menu" aria-controls="menu"
            aria-expanded=${menu ? "true" : "false"} onClick=${() => this.setState({ menu: !menu })}>
            <${Icon} name="menu" /></button>
        </div>
        <div id="menu" class=${menu ? "menu open" : "menu"}>
          <nav aria-label="Pages">
            ${sections.map(
              (section) => html`
                <h2 key=${section} class="nav-heading">${section}</h2>
                <ul key=${`${section} pages`}>
                  ${pages.filter((each) => each.section === section).map(
                    (each) => html`<li key=${each.path}><a href="#/${each.path}"
                      aria-current=${current(each)}>${each.title}</a></li>`,
                  )}
                </ul>`,
            )}
            <h2 class="nav-heading">Help</h2>
            <ul><li><a href="/docs/">Documentation</a></li></ul>
          </nav>
          <div class="account">
            <p class="who"><strong>${session.username}</strong><span class="dim">${session.role}</span></p>
            <div class="account-buttons">
              <button type="button" class="button" onClick=${() => this.leave()}>Sign out</button>
              <${ThemeButton} />
            </div>
            <p class="dim small">All times are UTC.</p>
          </div>
        </div>
      </header>`;
  }
}

/* theme.js keeps the label; drawn once, so that preact does not put an old label back. */
class ThemeButton extends Component {
  componentDidMount() {
    globalThis.stampmeterTheme.label();
  }

  shouldComponentUpdate() {
    return false;
  }

  render() {
    return html`<button type="button" class="button quiet icon-button" data-theme-toggle aria-label="Switch the theme"
      ><${Icon} name="theme" /></button>`;
  }
}

render(html`<${App} />`, document.getElementById("app"));

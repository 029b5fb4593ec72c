// Turns tables marked "sortable" into DataTables, as soon as they are in the page (in JupyterLab: later).
// The rows are already there as HTML: without this script they can be read and printed all the same.
// In JupyterLab all open notebooks share one page: the first that runs serves the others, and itself run again.
if (!window.mssanteTables) {
  window.mssanteTables = true;
  const $ = window.$;
  const language = {
    search: "Rechercher :",
    info: "Lignes _START_ à _END_ sur _TOTAL_",
    infoEmpty: "Aucune ligne",
    infoFiltered: "(parmi _MAX_)",
    lengthMenu: "Afficher _MENU_ lignes",
    zeroRecords: "Aucune ligne ne correspond à la recherche.",
    thousands: "\u202f",
    decimal: ",",
    paginate: { first: "«", previous: "‹", next: "›", last: "»" },
    aria: {
      orderable: " : activer pour trier",
      orderableReverse: " : activer pour inverser le tri",
      orderableRemove: " : activer pour annuler le tri",
      paginate: {
        first: "Première page", previous: "Page précédente", next: "Page suivante", last: "Dernière page", number: "Page ",
      },
    },
  };
  const bars = { topStart: "search", topEnd: "pageLength", bottomStart: "info", bottomEnd: "paging" };
  const none = { topStart: null, topEnd: null, bottomStart: null, bottomEnd: null };
  const upgrade = () => {
    for (const table of document.querySelectorAll("table.sortable:not(.dataTable)")) {
      const few = table.tBodies[0].rows.length <= 10;
      $(table).DataTable({
        language,
        order: [],
        autoWidth: false,
        paging: !few,
        pageLength: 10,
        lengthMenu: [10, 50, { label: "toutes les", value: -1 }],
        layout: few ? none : bars,
      });
      table.closest(".dt-container").querySelector("nav")?.setAttribute("aria-label", table.caption.textContent);
    }
  };
  const lengths = (choose) => {
    for (const table of document.querySelectorAll("table.sortable.dataTable")) {
      const page = $(table).DataTable().page;
      page.len(choose(table, page.len())).draw(false);
    }
  };
  const screen = new Map();
  addEventListener("beforeprint", () => lengths((table, length) => (screen.set(table, length), -1)));
  addEventListener("afterprint", () => lengths((table, length) => screen.get(table) ?? length));
  new MutationObserver(upgrade).observe(document.documentElement, { childList: true, subtree: true });
  upgrade();
}
